/* The connections of one event loop, watched by an epoll of its own: how they come and go. What happens in a turn is _turn.c. */
#include "_wire.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static PyObject *poller_attach(Poller *self, PyObject *args)
{
    int fd;
    PyObject *protocol;
    if (!PyArg_ParseTuple(args, "iO", &fd, &protocol))
        return NULL;
    if (self->fd < 0) {
        PyErr_SetString(PyExc_RuntimeError, "the poller is closed");
        return NULL;
    }
    Wire *wire = wire_new(self, fd, protocol);
    if (wire == NULL)
        return NULL;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET, .data.ptr = wire};
    if (epoll_ctl(self->fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        wire->fd = -1; /* still the caller's */
        Py_DECREF(wire);
        return NULL;
    }
    wire->after = self->first;
    if (self->first != NULL)
        self->first->before = wire;
    self->first = (Wire *)Py_NewRef(wire);
    PyObject *found = PyObject_CallMethodOneArg(protocol, CONNECTION_MADE, (PyObject *)wire);
    if (found == NULL)
        poller_failed(self, wire);
    Py_XDECREF(found);
    return (PyObject *)wire;
}

static int poller_traverse(Poller *self, visitproc visit, void *arg)
{
    Py_VISIT(self->later);
    Py_VISIT(self->failed);
    for (Wire *wire = self->first; wire != NULL; wire = wire->after)
        Py_VISIT(wire);
    const Queue *queues[] = {&self->ready, &self->dirty, &self->lost};
    for (int queue = 0; queue < 3; queue++)
        for (size_t at = 0; at < queues[queue]->count; at++)
            Py_VISIT(queues[queue]->at[at]);
    return 0;
}

static int poller_clear(Poller *self)
{
    Py_CLEAR(self->later);
    Py_CLEAR(self->failed);
    queue_drop(&self->ready);
    queue_drop(&self->dirty);
    queue_drop(&self->lost);
    while (self->first != NULL) {
        Wire *wire = self->first;
        self->first = wire->after;
        wire->before = wire->after = NULL;
        wire_end(wire);
        Py_DECREF(wire);
    }
    return 0;
}

static PyObject *poller_close(Poller *self, PyObject *ignored)
{
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "a poller can't be closed by the connections that it is looking at");
        return NULL;
    }
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    poller_clear(self);
    Py_RETURN_NONE;
}

static void poller_dealloc(Poller *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(poller_close(self, NULL));
    PyMem_Free(self->buffer);
    PyMem_Free(self->spare.at);
    PyObject_GC_Del(self);
}

static PyObject *poller_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    static char *known[] = {"later", "failed", NULL};
    PyObject *later, *failed;
    if (!PyArg_ParseTupleAndKeywords(args, names, "OO", known, &later, &failed))
        return NULL;
    Poller *self = (Poller *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->later = Py_NewRef(later);
    self->failed = Py_NewRef(failed);
    self->buffer = PyMem_Malloc(LARGE_READ);
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd < 0 || self->buffer == NULL) {
        self->fd < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyErr_NoMemory();
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *poller_fileno(Poller *self, PyObject *ignored)
{
    return PyLong_FromLong(self->fd);
}

static PyMethodDef poller_methods[] = {
    {"attach", (PyCFunction)poller_attach, METH_VARARGS, "attach(fd, protocol): takes a connected, non-blocking socket over."},
    {"run", (PyCFunction)poller_run, METH_NOARGS, "Reads and sends what is ready; for the loop, when `fileno` is readable."},
    {"fileno", (PyCFunction)poller_fileno, METH_NOARGS, "The epoll's descriptor, readable when a connection is ready."},
    {"close", (PyCFunction)poller_close, METH_NOARGS, "Closes all connections; their protocols hear nothing of it."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject Poller_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "slipstream_runtime.wire._wire.Poller",
    .tp_doc = "Poller(later, failed): the connections of one event loop; `later` is its call_soon, `failed` hears what protocols raise.",
    .tp_basicsize = sizeof(Poller),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = poller_new,
    .tp_dealloc = (destructor)poller_dealloc,
    .tp_traverse = (traverseproc)poller_traverse,
    .tp_clear = (inquiry)poller_clear,
    .tp_methods = poller_methods,
};
