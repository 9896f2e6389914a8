/* The lines of one head as offsets into its bytes: what `scan` makes and the methods read. Owns no copy of any line. */
#ifndef SLIPSTREAM_LINES_H
#define SLIPSTREAM_LINES_H
#include "_names.h"

#define MAX_LINES 256 /* of one head; a longer one is left to the scanner in Python, whatever its limit */

/* What a name means to a proxy, as fields.py numbers it; above them are kinds that only the caller reads. Below 30: they are bits. */
enum { ORDINARY, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, HOST_FIELD, EXPECT, UPGRADE, HOP_BY_HOP, DEADLINE, CLOSE, FIRST_FREE_KIND };
#define MAX_KIND 29
#define LOGIN 19 /* of those only this one and the next are looked at here */
#define CHALLENGE 21
#define CHUNKED (-1)

typedef struct {
    uint32_t start;
    uint32_t colon;
    uint32_t value; /* without blanks around it */
    uint32_t value_end;
    uint32_t hash; /* of the name */
    uint32_t kind;
} Line;

typedef struct {
    PyObject_VAR_HEAD
    PyObject *block;      /* bytes: start line and lines, without the empty line */
    long long body;       /* a length, or CHUNKED; 0 where neither is declared */
    unsigned int present; /* a bit for each kind that occurs; CLOSE where Connection says so */
    int host;             /* which line is Host, -1 for none */
    uint32_t first;       /* where the start line ends */
    Line line[1];
} Lines;

extern PyTypeObject Lines_Type;

static inline const uint8_t *lines_text(const Lines *self)
{
    return (const uint8_t *)PyBytes_AS_STRING(self->block);
}

/* Where a line ends, without its CRLF. */
static inline uint32_t lines_end(const Lines *self, Py_ssize_t at)
{
    return at + 1 < Py_SIZE(self) ? self->line[at + 1].start - 2 : (uint32_t)PyBytes_GET_SIZE(self->block);
}

PyObject *lines_tuple(PyObject **items, int count);

extern PyTypeObject Rule_Type;
PyObject *lines_rule(PyObject *type, PyObject *const *args, Py_ssize_t count);
PyObject *lines_gather(Lines *self, PyObject *const *args, Py_ssize_t count);

#endif
