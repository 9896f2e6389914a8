/* What can be asked of the lines of a head: the head as it goes on, single lines, values. Decides nothing. */
#include "_lines.h"

static void lines_dealloc(Lines *self)
{
    Py_DECREF(self->block);
    PyObject_Free(self);
}

static inline int within(const Line *line, unsigned long mask)
{
    return line->kind != ORDINARY && (mask >> line->kind & 1);
}

static inline PyObject *slice(const Lines *self, uint32_t from, uint32_t to)
{
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->block) + from, (Py_ssize_t)to - from);
}

/* A tuple of `count` items, which it takes over; NULL (and they are let go of) where one is missing. */
PyObject *lines_tuple(PyObject **items, int count)
{
    PyObject *tuple = PyTuple_New(count);
    int whole = tuple != NULL;
    for (int at = 0; at < count; at++) {
        whole &= items[at] != NULL;
        if (tuple != NULL)
            PyTuple_SET_ITEM(tuple, at, items[at]);
        else
            Py_XDECREF(items[at]);
    }
    if (!whole)
        Py_CLEAR(tuple);
    return tuple;
}

/* The arguments (bytes or int, in this order) of a method: o for bytes, i for an unsigned int. */
static int arguments(PyObject *const *args, Py_ssize_t count, const char *kinds, unsigned long *number)
{
    if (count != (Py_ssize_t)strlen(kinds))
        goto wrong;
    for (Py_ssize_t at = 0; at < count; at++)
        if (kinds[at] == 'o') {
            if (!PyBytes_Check(args[at]))
                goto wrong;
        } else {
            *number = PyLong_AsUnsignedLong(args[at]);
            if (*number == (unsigned long)-1 && PyErr_Occurred())
                return 0;
        }
    return 1;
wrong:
    PyErr_SetString(PyExc_TypeError, "wrong arguments");
    return 0;
}

static char *append(char *to, const void *from, Py_ssize_t size)
{
    memcpy(to, from, (size_t)size);
    return to + size;
}

/* forwarded(drop, host, tail): start line and lines, those of a dropped kind left out, Host's value replaced unless `host` is empty. */
static PyObject *lines_forwarded(Lines *self, PyObject *const *args, Py_ssize_t count)
{
    static const char name[] = "\r\nHost: ";
    unsigned long drop = 0;
    if (!arguments(args, count, "ioo", &drop))
        return NULL;
    const char *text = PyBytes_AS_STRING(self->block);
    const Py_ssize_t host = self->host < 0 ? 0 : PyBytes_GET_SIZE(args[1]), tail = PyBytes_GET_SIZE(args[2]);
    Py_ssize_t size = self->first + tail;
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++)
        if (host && at == self->host)
            size += (Py_ssize_t)sizeof name - 1 + host;
        else if (!within(&self->line[at], drop))
            size += 2 + lines_end(self, at) - self->line[at].start;
    PyObject *found = PyBytes_FromStringAndSize(NULL, size);
    if (found == NULL)
        return NULL;
    char *to = append(PyBytes_AS_STRING(found), text, self->first);
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++)
        if (host && at == self->host) {
            to = append(to, name, (Py_ssize_t)sizeof name - 1);
            to = append(to, PyBytes_AS_STRING(args[1]), host);
        } else if (!within(&self->line[at], drop)) {
            to = append(to, text + self->line[at].start - 2, 2 + lines_end(self, at) - self->line[at].start);
        }
    append(to, PyBytes_AS_STRING(args[2]), tail);
    return found;
}

/* The lines as they came whose kind is in `mask`, or (not `wanted`) all others. */
static PyObject *pick(Lines *self, PyObject *argument, int wanted)
{
    unsigned long mask = 0;
    if (!arguments(&argument, 1, "i", &mask))
        return NULL;
    PyObject *found = PyList_New(0);
    for (Py_ssize_t at = 0; found != NULL && at < Py_SIZE(self); at++) {
        if (within(&self->line[at], mask) != wanted)
            continue;
        PyObject *line = slice(self, self->line[at].start, lines_end(self, at));
        if (line == NULL || PyList_Append(found, line) < 0)
            Py_CLEAR(found);
        Py_XDECREF(line);
    }
    return found;
}

static PyObject *lines_raw(Lines *self, PyObject *drop)
{
    return pick(self, drop, 0);
}

static PyObject *lines_kinds(Lines *self, PyObject *mask)
{
    return pick(self, mask, 1);
}

static PyObject *lines_present(Lines *self, void *closure)
{
    return PyLong_FromUnsignedLong(self->present);
}

static PyObject *lines_body(Lines *self, void *closure)
{
    return PyLong_FromLongLong(self->body);
}

static PyObject *lines_host(Lines *self, void *closure)
{
    if (self->host < 0)
        Py_RETURN_NONE;
    const Line *line = &self->line[self->host];
    return slice(self, line->value, line->value_end);
}

static Py_ssize_t lines_count(Lines *self)
{
    return Py_SIZE(self);
}

static PyMethodDef methods[] = {
    {"forwarded", (PyCFunction)(void (*)(void))lines_forwarded, METH_FASTCALL,
     "forwarded(drop, host, tail): the head as it goes on, without lines of a kind in `drop`."},
    {"raw", (PyCFunction)lines_raw, METH_O, "raw(drop): the lines as they came, without those of a kind in `drop`."},
    {"kinds", (PyCFunction)lines_kinds, METH_O, "kinds(mask): the lines of a kind in `mask`, as they came."},
    {"gather", (PyCFunction)(void (*)(void))lines_gather, METH_FASTCALL,
     "gather(rule, method, target): the cache key, and what else of the lines matters to a cache."},
    {"rule", (PyCFunction)(void (*)(void))lines_rule, METH_FASTCALL | METH_STATIC,
     "rule(codes, secret, prefix): a rule as `gather` wants it."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"present", (getter)lines_present, NULL, "A bit for each kind that occurs.", NULL},
    {"body", (getter)lines_body, NULL, "The body that the lines declare: a length or CHUNKED; 0 where they don't.", NULL},
    {"host", (getter)lines_host, NULL, "The value of Host, None where there is none.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PySequenceMethods as_sequence = {.sq_length = (lenfunc)lines_count};

PyTypeObject Lines_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "slipstream_runtime.http._lines.Lines",
    .tp_doc = "The lines of one head, by their places in its bytes.",
    .tp_basicsize = offsetof(Lines, line),
    .tp_itemsize = sizeof(Line),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)lines_dealloc,
    .tp_methods = methods,
    .tp_getset = attributes,
    .tp_as_sequence = &as_sequence,
};
