/* A turn of the loop: reads what is ready, then sends what the reads made, then tells who is gone. Moves no bytes itself. */
#include "_wire.h"
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256 /* of one look */
#define LOOKS 4    /* of one turn, so that timers and the rest of the loop have theirs */

/* Run soon, unless it runs. */
void poller_schedule(Poller *self)
{
    if (self->running || self->scheduled || self->later == NULL)
        return;
    PyObject *run = PyObject_GetAttr((PyObject *)self, RUN);
    PyObject *handle = run == NULL ? NULL : PyObject_CallOneArg(self->later, run);
    if (handle == NULL)
        PyErr_WriteUnraisable((PyObject *)self); /* the loop is closed: nothing of this process will be read or sent any more */
    else
        self->scheduled = 1;
    Py_XDECREF(run);
    Py_XDECREF(handle);
}

/* A protocol raised: told to the loop, and the connection ends. */
void poller_failed(Poller *self, Wire *wire)
{
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    if (trace != NULL)
        PyException_SetTraceback(value, trace);
    PyObject *found = self->failed == NULL ? Py_NewRef(Py_None) : PyObject_CallOneArg(self->failed, value);
    if (found == NULL)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(found);
    Py_XDECREF(kind);
    Py_XDECREF(trace);
    wire_lose(wire, value);
}

/* connection_lost follows, with `error` (stolen) or None. */
void wire_lose(Wire *self, PyObject *error)
{
    if (self->flags & LOST || self->protocol == NULL) {
        Py_XDECREF(error);
        return;
    }
    self->flags |= LOST;
    self->error = error;
    if (queue_push(&self->poller->lost, self) == 0)
        poller_schedule(self->poller);
}

static void told_lost(Poller *self, Wire *wire)
{
    PyObject *protocol = wire->protocol, *error = wire->error;
    wire->protocol = wire->error = NULL;
    wire_end(wire);
    *(wire->before == NULL ? &self->first : &wire->before->after) = wire->after;
    if (wire->after != NULL)
        wire->after->before = wire->before;
    wire->before = wire->after = NULL;
    PyObject *found = PyObject_CallMethodOneArg(protocol, CONNECTION_LOST, error == NULL ? Py_None : error);
    if (found == NULL)
        poller_failed(self, wire);
    Py_XDECREF(found);
    Py_XDECREF(error);
    Py_DECREF(protocol);
    Py_DECREF(wire); /* the list's */
}

static void happened(Wire *wire, uint32_t events)
{
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        wire->flags |= HANGS_UP;
    if (events & ~(uint32_t)EPOLLOUT && !(wire->flags & IN_READY))
        wire_read(wire); /* first: what a peer said before it reset the connection would be lost with the failing send */
    if (wire->flags & BLOCKED && events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        wire->flags &= ~BLOCKED;
        wire_flush(wire);
    }
}

/* Those that had more to read; who is added meanwhile has its turn at the next look. */
static void read_on(Poller *self)
{
    const Queue taken = queue_take(self, &self->ready);
    for (size_t at = 0; at < taken.count; at++) {
        Wire *wire = taken.at[at];
        wire->flags &= ~IN_READY;
        if (!(wire->flags & LOST))
            wire_read(wire);
        Py_DECREF(wire);
    }
    queue_done(self, taken);
}

static void send_all(Poller *self)
{
    const Queue taken = queue_take(self, &self->dirty);
    for (size_t at = 0; at < taken.count; at++) {
        taken.at[at]->flags &= ~IN_DIRTY;
        wire_flush(taken.at[at]);
        Py_DECREF(taken.at[at]);
    }
    queue_done(self, taken);
}

static void tell_all(Poller *self)
{
    const Queue taken = queue_take(self, &self->lost);
    for (size_t at = 0; at < taken.count; at++) {
        told_lost(self, taken.at[at]);
        Py_DECREF(taken.at[at]);
    }
    queue_done(self, taken);
}

PyObject *poller_run(Poller *self, PyObject *ignored)
{
    struct epoll_event events[EVENTS];
    if (self->running || self->fd < 0)
        Py_RETURN_NONE;
    self->running = 1;
    self->scheduled = 0;
    for (int look = 0; look < LOOKS; look++) {
        const int count = epoll_wait(self->fd, events, EVENTS, 0);
        const size_t more = self->ready.count;
        for (int at = 0; at < count; at++)
            happened(events[at].data.ptr, events[at].events);
        if (more > 0)
            read_on(self);
        while (self->dirty.count > 0 || self->lost.count > 0) { /* either may lead to more of either */
            send_all(self);
            tell_all(self);
        }
        if (count <= 0 && more == 0)
            break;
    }
    self->running = 0;
    if (self->ready.count > 0)
        poller_schedule(self);
    Py_RETURN_NONE;
}
