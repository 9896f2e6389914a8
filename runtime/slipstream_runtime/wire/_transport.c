/* One connection as its protocol sees it: asyncio's Transport, as much of it as a proxy needs. Moves no bytes itself. */
#include "_wire.h"
#include <sys/epoll.h>
#include <unistd.h>

Wire *wire_new(Poller *poller, int fd, PyObject *protocol)
{
    Wire *self = PyObject_GC_New(Wire, &Wire_Type);
    if (self == NULL)
        return NULL;
    self->poller = (Poller *)Py_NewRef(poller);
    self->protocol = Py_NewRef(protocol);
    self->error = NULL;
    self->before = self->after = NULL;
    self->fd = fd;
    self->flags = self->in_a_row = 0;
    self->read_size = SMALL_READ;
    self->high = HIGH_WATER;
    self->low = HIGH_WATER / 4;
    self->out = self->few;
    self->first = self->count = self->sent = self->unsent = 0;
    self->room = FEW;
    PyObject_GC_Track(self);
    return self;
}

static int wire_traverse(Wire *self, visitproc visit, void *arg)
{
    Py_VISIT(self->poller);
    Py_VISIT(self->protocol);
    Py_VISIT(self->error);
    return 0;
}

static int wire_clear(Wire *self)
{
    self->flags |= LOST;
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->error);
    return 0;
}

/* The descriptor, and what was to be sent; nobody is told. It is taken out of the epoll first: closing alone does that only where no
   process that was being started meanwhile has a copy, and an event would name memory that isn't a connection any more. */
void wire_end(Wire *self)
{
    self->flags |= LOST;
    wire_forget_output(self);
    if (self->fd >= 0) {
        if (self->poller != NULL && self->poller->fd >= 0)
            epoll_ctl(self->poller->fd, EPOLL_CTL_DEL, self->fd, NULL);
        close(self->fd);
    }
    self->fd = -1;
}

static void wire_dealloc(Wire *self)
{
    PyObject_GC_UnTrack(self);
    wire_end(self);
    wire_clear(self);
    Py_CLEAR(self->poller);
    PyObject_GC_Del(self);
}

/* Another turn for what there still is to read, if the protocol wants it. */
void wire_want_read(Wire *self)
{
    if ((self->flags & (READY | PAUSED | READ_END | CLOSING | LOST | IN_READY)) != READY)
        return;
    if (queue_push(&self->poller->ready, self) == 0)
        self->flags |= IN_READY;
    poller_schedule(self->poller);
}

static PyObject *wire_write(Wire *self, PyObject *data)
{
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "a connection sends bytes, not %s", Py_TYPE(data)->tp_name);
    if (self->flags & END_WANTED) {
        PyErr_SetString(PyExc_RuntimeError, "write after write_eof");
        return NULL;
    }
    if (self->flags & (CLOSING | LOST) || PyBytes_GET_SIZE(data) == 0)
        Py_RETURN_NONE;
    if (wire_append(self, data) < 0)
        return NULL;
    if (self->flags & BLOCKED || (self->poller->running && self->unsent <= self->high)) {
        if (!(self->flags & (BLOCKED | IN_DIRTY))) {
            if (queue_push(&self->poller->dirty, self) < 0)
                return PyErr_NoMemory();
            self->flags |= IN_DIRTY;
        }
    } else {
        wire_flush(self);
    }
    if (self->unsent > self->high && !(self->flags & (HELD | LOST))) {
        self->flags |= HELD;
        wire_call(self, PAUSE_WRITING);
    }
    Py_RETURN_NONE;
}

static PyObject *wire_write_eof(Wire *self, PyObject *ignored)
{
    if (!(self->flags & (END_WANTED | CLOSING | LOST))) {
        self->flags |= END_WANTED;
        wire_flush(self);
    }
    Py_RETURN_NONE;
}

static PyObject *wire_close(Wire *self, PyObject *ignored)
{
    if (!(self->flags & (CLOSING | LOST))) {
        self->flags |= CLOSING;
        wire_flush(self);
    }
    Py_RETURN_NONE;
}

static PyObject *wire_abort(Wire *self, PyObject *ignored)
{
    wire_lose(self, NULL);
    Py_RETURN_NONE;
}

static PyObject *wire_pause_reading(Wire *self, PyObject *ignored)
{
    self->flags |= PAUSED;
    self->read_size = SMALL_READ;
    self->in_a_row = 0;
    Py_RETURN_NONE;
}

static PyObject *wire_resume_reading(Wire *self, PyObject *ignored)
{
    self->flags &= ~PAUSED;
    wire_want_read(self);
    Py_RETURN_NONE;
}

static PyObject *wire_is_reading(Wire *self, PyObject *ignored)
{
    return PyBool_FromLong(!(self->flags & (PAUSED | READ_END | CLOSING | LOST)));
}

static PyObject *wire_is_closing(Wire *self, PyObject *ignored)
{
    return PyBool_FromLong(self->flags & (CLOSING | LOST));
}

static PyObject *wire_can_write_eof(Wire *self, PyObject *ignored)
{
    Py_RETURN_TRUE;
}

static PyObject *wire_get_write_buffer_size(Wire *self, PyObject *ignored)
{
    return PyLong_FromSize_t(self->unsent);
}

static PyObject *wire_set_write_buffer_limits(Wire *self, PyObject *args, PyObject *names)
{
    static char *known[] = {"high", "low", NULL};
    Py_ssize_t high = HIGH_WATER, low = -1;
    if (!PyArg_ParseTupleAndKeywords(args, names, "|nn", known, &high, &low))
        return NULL;
    if (low < 0)
        low = high / 4;
    if (low > high || high < 0) {
        PyErr_SetString(PyExc_ValueError, "high has to be at least low, and low at least 0");
        return NULL;
    }
    self->high = (size_t)high;
    self->low = (size_t)low;
    Py_RETURN_NONE;
}

static PyObject *wire_set_protocol(Wire *self, PyObject *protocol)
{
    if (self->protocol != NULL)
        Py_SETREF(self->protocol, Py_NewRef(protocol));
    Py_RETURN_NONE;
}

static PyObject *wire_get_protocol(Wire *self, PyObject *ignored)
{
    return Py_NewRef(self->protocol == NULL ? Py_None : self->protocol);
}

static PyObject *wire_fileno(Wire *self, PyObject *ignored)
{
    return PyLong_FromLong(self->fd);
}

/* The socket's `name`, by Python's own socket, which only borrows the descriptor; NULL where it has none any more. */
static PyObject *address(Wire *self, const char *name)
{
    PyObject *module = PyImport_ImportModule("socket"), *found = NULL;
    PyObject *sock = module == NULL ? NULL : PyObject_CallMethod(module, "socket", "iiii", -1, -1, -1, self->fd);
    if (sock != NULL) {
        found = PyObject_CallMethod(sock, name, NULL);
        PyObject *kind, *value, *trace;
        PyErr_Fetch(&kind, &value, &trace);
        Py_XDECREF(PyObject_CallMethod(sock, "detach", NULL));
        PyErr_Restore(kind, value, trace);
    }
    Py_XDECREF(module);
    Py_XDECREF(sock);
    return found;
}

static PyObject *wire_get_extra_info(Wire *self, PyObject *args)
{
    const char *name;
    PyObject *otherwise = Py_None, *found = NULL;
    if (!PyArg_ParseTuple(args, "s|O", &name, &otherwise))
        return NULL;
    if (self->fd < 0)
        return Py_NewRef(otherwise);
    if (strcmp(name, "peername") == 0)
        found = address(self, "getpeername");
    else if (strcmp(name, "sockname") == 0)
        found = address(self, "getsockname");
    if (found == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OSError))
            return NULL;
        PyErr_Clear();
    }
    return found == NULL ? Py_NewRef(otherwise) : found;
}

#define METHOD(name, how, text) {#name, (PyCFunction)(void (*)(void))wire_##name, how, text}

static PyMethodDef methods[] = {
    METHOD(write, METH_O, "write(data): bytes for the peer; sent at the end of the turn, together with what else it writes."),
    METHOD(write_eof, METH_NOARGS, "Ends this side, after what is still to be sent."),
    METHOD(close, METH_NOARGS, "Closes, after what is still to be sent; reads no more."),
    METHOD(abort, METH_NOARGS, "Closes without sending what waits."),
    METHOD(pause_reading, METH_NOARGS, "data_received isn't called until resume_reading."),
    METHOD(resume_reading, METH_NOARGS, "Goes on reading."),
    METHOD(is_reading, METH_NOARGS, "Whether data_received may be called."),
    METHOD(is_closing, METH_NOARGS, "Whether it is closed, or about to be."),
    METHOD(can_write_eof, METH_NOARGS, "True."),
    METHOD(get_write_buffer_size, METH_NOARGS, "Bytes that the kernel hasn't taken yet."),
    METHOD(set_write_buffer_limits, METH_VARARGS | METH_KEYWORDS, "Above `high` bytes pause_writing is called, at `low` resume_writing."),
    METHOD(set_protocol, METH_O, "Who hears of it from now on."),
    METHOD(get_protocol, METH_NOARGS, "Who hears of it; None once it is lost."),
    METHOD(get_extra_info, METH_VARARGS, "get_extra_info(name, default=None): `peername` and `sockname`, the default for any other."),
    METHOD(fileno, METH_NOARGS, "The socket's descriptor; -1 once it is closed."),
    {NULL, NULL, 0, NULL},
};

PyTypeObject Wire_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "slipstream_runtime.wire._wire.Wire",
    .tp_doc = "A connection: asyncio's Transport, made by Poller.attach.",
    .tp_basicsize = sizeof(Wire),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)wire_dealloc,
    .tp_traverse = (traverseproc)wire_traverse,
    .tp_clear = (inquiry)wire_clear,
    .tp_methods = methods,
};
