/* Bytes in and out of one connection: one read a turn, everything that a turn wrote in one call. Watches nothing, closes nothing. */
#include "_wire.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES 64 /* of one sendmsg */

PyObject *os_error(int number)
{
    errno = number;
    PyErr_SetFromErrno(PyExc_OSError);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    Py_XDECREF(kind);
    Py_XDECREF(trace);
    return value;
}

/* A method of the protocol without arguments. */
void wire_call(Wire *self, PyObject *name)
{
    if (self->protocol == NULL)
        return;
    PyObject *protocol = Py_NewRef(self->protocol), *found = PyObject_CallMethodNoArgs(protocol, name);
    if (found == NULL)
        poller_failed(self->poller, self);
    Py_XDECREF(found);
    Py_DECREF(protocol);
}

/* What there is, at most `asked` bytes; NULL with errno 0 at the end, with another errno where there is nothing or it failed. */
static PyObject *receive(Wire *self, size_t asked)
{
    /* A large read goes straight to its own bytes, which saves a copy; a usual one is small, and memory of its exact size is cheaper. */
    const int straight = self->flags & FULL && asked > SMALL_READ;
    PyObject *data = straight ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)asked) : NULL;
    if (straight && data == NULL) {
        PyErr_Clear();
        errno = ENOMEM;
        return NULL;
    }
    ssize_t got;
    do
        got = recv(self->fd, straight ? PyBytes_AS_STRING(data) : self->poller->buffer, asked, 0);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        const int why = got < 0 ? errno : 0;
        Py_XDECREF(data);
        errno = why;
        return NULL;
    }
    if (!straight)
        data = PyBytes_FromStringAndSize(self->poller->buffer, got);
    else if ((size_t)got < asked)
        _PyBytes_Resize(&data, got);
    if (data == NULL) {
        PyErr_Clear();
        errno = ENOMEM;
    }
    return data;
}

static void ended(Wire *self)
{
    self->flags |= READ_END;
    PyObject *protocol = Py_NewRef(self->protocol), *stays = PyObject_CallMethodNoArgs(protocol, EOF_RECEIVED);
    const int open = stays == NULL ? -1 : PyObject_IsTrue(stays);
    Py_XDECREF(stays);
    Py_DECREF(protocol);
    if (open < 0)
        poller_failed(self->poller, self);
    else if (!open && !(self->flags & (CLOSING | LOST))) {
        self->flags |= CLOSING;
        if (self->count == 0)
            wire_lose(self, NULL);
    }
}

/* One read, told to the protocol. Where there may be more it has another turn after the others. */
void wire_read(Wire *self)
{
    if (self->flags & (PAUSED | READ_END | CLOSING | LOST)) {
        self->flags |= READY;
        return;
    }
    self->flags &= ~READY;
    const size_t asked = self->read_size;
    PyObject *data = receive(self, asked);
    if (data == NULL) {
        if (errno == 0)
            ended(self);
        else if (errno != EAGAIN && errno != EWOULDBLOCK)
            wire_lose(self, os_error(errno));
        return;
    }
    const int full = (size_t)PyBytes_GET_SIZE(data) == asked;
    self->flags = full ? self->flags | FULL : self->flags & ~FULL;
    self->in_a_row = full ? self->in_a_row + 1 : 0;
    if (self->in_a_row == IN_A_ROW && self->read_size < LARGE_READ) {
        self->read_size *= 2;
        self->in_a_row = 0;
    }
    if (full || self->flags & HANGS_UP) /* the kernel told of all that there is, and won't again */
        self->flags |= READY;
    PyObject *protocol = Py_NewRef(self->protocol), *found = PyObject_CallMethodOneArg(protocol, DATA_RECEIVED, data);
    if (found == NULL)
        poller_failed(self->poller, self);
    Py_XDECREF(found);
    Py_DECREF(protocol);
    Py_DECREF(data);
    wire_want_read(self);
}

/* Bytes to be sent. */
int wire_append(Wire *self, PyObject *data)
{
    if (self->first + self->count == self->room) {
        if (self->first > self->room / 2) {
            memmove(self->out, self->out + self->first, self->count * sizeof *self->out);
        } else {
            const size_t room = self->room * 2;
            PyObject **more = PyMem_Malloc(room * sizeof *more);
            if (more == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            memcpy(more, self->out + self->first, self->count * sizeof *more);
            if (self->out != self->few)
                PyMem_Free(self->out);
            self->out = more;
            self->room = room;
        }
        self->first = 0;
    }
    self->out[self->first + self->count++] = Py_NewRef(data);
    self->unsent += (size_t)PyBytes_GET_SIZE(data);
    return 0;
}

void wire_forget_output(Wire *self)
{
    while (self->count > 0) {
        PyObject *done = self->out[self->first++];
        self->count--;
        Py_DECREF(done);
    }
    if (self->out != self->few)
        PyMem_Free(self->out);
    self->out = self->few;
    self->room = FEW;
    self->first = self->sent = self->unsent = 0;
}

/* What the kernel takes at once of all that waits. */
static ssize_t transmit(Wire *self)
{
    const char *text = PyBytes_AS_STRING(self->out[self->first]) + self->sent;
    const size_t size = (size_t)PyBytes_GET_SIZE(self->out[self->first]) - self->sent;
    if (self->count == 1)
        return send(self->fd, text, size, MSG_NOSIGNAL);
    struct iovec pieces[PIECES];
    const size_t count = self->count < PIECES ? self->count : PIECES;
    pieces[0] = (struct iovec){.iov_base = (void *)text, .iov_len = size};
    for (size_t at = 1; at < count; at++) {
        PyObject *data = self->out[self->first + at];
        pieces[at] = (struct iovec){.iov_base = PyBytes_AS_STRING(data), .iov_len = (size_t)PyBytes_GET_SIZE(data)};
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return sendmsg(self->fd, &message, MSG_NOSIGNAL);
}

/* So many bytes have gone. */
static void account(Wire *self, size_t sent)
{
    self->unsent -= sent;
    self->sent += sent;
    while (self->count > 0) {
        const size_t size = (size_t)PyBytes_GET_SIZE(self->out[self->first]);
        if (self->sent < size)
            return;
        self->sent -= size;
        PyObject *done = self->out[self->first++];
        self->count--;
        Py_DECREF(done);
    }
    self->first = 0;
}

/* Send what waits, as far as the kernel takes it; then what was to follow it: the end of this side, or of the connection. */
void wire_flush(Wire *self)
{
    while (self->count > 0 && !(self->flags & (BLOCKED | LOST))) {
        const ssize_t sent = transmit(self);
        if (sent >= 0)
            account(self, (size_t)sent);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            self->flags |= BLOCKED;
        else if (errno != EINTR) {
            wire_lose(self, os_error(errno));
            return;
        }
    }
    if (self->flags & HELD && self->unsent <= self->low && !(self->flags & LOST)) {
        self->flags &= ~HELD;
        wire_call(self, RESUME_WRITING);
    }
    if (self->count > 0 || self->flags & LOST)
        return;
    if (self->flags & END_WANTED && !(self->flags & END_SENT)) {
        self->flags |= END_SENT;
        shutdown(self->fd, SHUT_WR);
    }
    if (self->flags & CLOSING)
        wire_lose(self, NULL);
}
