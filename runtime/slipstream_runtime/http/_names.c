/* The table of names: how one is made from a dict. */
#include "_names.h"

#define SAME(octet) [octet] = octet
#define LETTER(upper) [upper] = (upper) + 32, [(upper) + 32] = (upper) + 32

const uint8_t TOKEN[256] = {
    SAME('!'), SAME('#'), SAME('$'), SAME('%'), SAME('&'), SAME('\''), SAME('*'), SAME('+'), SAME('-'), SAME('.'),
    SAME('^'), SAME('_'), SAME('`'), SAME('|'), SAME('~'), SAME('0'), SAME('1'), SAME('2'), SAME('3'), SAME('4'),
    SAME('5'), SAME('6'), SAME('7'), SAME('8'), SAME('9'), LETTER('A'), LETTER('B'), LETTER('C'), LETTER('D'), LETTER('E'),
    LETTER('F'), LETTER('G'), LETTER('H'), LETTER('I'), LETTER('J'), LETTER('K'), LETTER('L'), LETTER('M'), LETTER('N'),
    LETTER('O'), LETTER('P'), LETTER('Q'), LETTER('R'), LETTER('S'), LETTER('T'), LETTER('U'), LETTER('V'), LETTER('W'),
    LETTER('X'), LETTER('Y'), LETTER('Z'),
};

static int names_put(Names *self, PyObject *name, PyObject *number)
{
    if (!PyBytes_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "a name must be bytes");
        return -1;
    }
    unsigned long code = PyLong_AsUnsignedLong(number);
    if (code == (unsigned long)-1 && PyErr_Occurred())
        return -1;
    if (code == 0 || code > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a code must be from 1 to 2**32 - 1");
        return -1;
    }
    const uint8_t *text = (const uint8_t *)PyBytes_AS_STRING(name);
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(name); i++)
        if (text[i] == 0 || TOKEN[text[i]] != text[i])
            return 0; /* no line has such a name: a configured one may be anything */
    const uint32_t hash = name_hash(text, PyBytes_GET_SIZE(name));
    uint32_t at = hash & self->mask;
    while (self->places[at].name != NULL)
        at = (at + 1) & self->mask;
    self->places[at] = (Place){Py_NewRef(name), hash, (uint32_t)code};
    return 0;
}

static PyObject *names_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *codes, *name, *number;
    Py_ssize_t at = 0;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Names takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!", &PyDict_Type, &codes))
        return NULL;
    if (PyDict_GET_SIZE(codes) > MAX_NAMES) {
        PyErr_SetString(PyExc_ValueError, "too many names");
        return NULL;
    }
    uint32_t size = 8;
    while ((Py_ssize_t)size < 2 * PyDict_GET_SIZE(codes) + 1)
        size *= 2;
    Names *self = (Names *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->mask = size - 1;
    self->places = PyMem_Calloc(size, sizeof(Place));
    if (self->places == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    while (PyDict_Next(codes, &at, &name, &number))
        if (names_put(self, name, number) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    return (PyObject *)self;
}

static void names_dealloc(Names *self)
{
    if (self->places != NULL)
        for (uint32_t at = 0; at <= self->mask; at++)
            Py_XDECREF(self->places[at].name);
    PyMem_Free(self->places);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

PyTypeObject Names_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "slipstream_runtime.http._lines.Names",
    .tp_doc = "Field names in lower case, and the number that each stands for.",
    .tp_basicsize = sizeof(Names),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = names_new,
    .tp_dealloc = (destructor)names_dealloc,
};
