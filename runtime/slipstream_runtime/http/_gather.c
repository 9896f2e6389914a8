/* What of a head's lines belongs to a cache key: as cores/key.py does it over fields, octet for octet. Hashes nothing. */
#include "_lines.h"

/* cores/identity.py: what one line means to a cache. */
enum { KEYED = 1, PARTITION = 2, CREDENTIAL = 4, FLAGS = 8 };

typedef struct {
    uint32_t number; /* of the name, as the rule counts them */
    uint32_t line;
} Part;

static char *put_length(char *to, uint32_t length)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (char)(length >> shift & 0xFF);
    return to;
}

static char *put_sized(char *to, const void *from, uint32_t size)
{
    to = put_length(to, size);
    memcpy(to, from, size);
    return to + size;
}

/* The hash that Python has for these octets, so that both ways of reading a request agree on its partition. */
static int mix(const char *part, Py_ssize_t size, Py_ssize_t *partition)
{
    PyObject *octets = PyBytes_FromStringAndSize(part, size);
    if (octets == NULL)
        return -1;
    *partition ^= PyObject_Hash(octets);
    Py_DECREF(octets);
    return 0;
}

/* In order of number; lines of one name stay in order of appearance. There are few. */
static void insert(Part *parts, int count, Part part)
{
    int at = count;
    for (; at > 0 && parts[at - 1].number > part.number; at--)
        parts[at] = parts[at - 1];
    parts[at] = part;
}

/* Which lines are keyed, all flags, and how many octets the keyed ones take. */
static int collect(const Lines *self, const Names *names, Part *parts, unsigned int *flags, Py_ssize_t *size)
{
    const uint8_t *text = lines_text(self);
    int count = 0;
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++) {
        const Line *line = &self->line[at];
        const uint32_t code = names_code(names, text + line->start, line->colon - line->start, line->hash);
        if (code & KEYED) {
            insert(parts, count++, (Part){code >> FLAGS, (uint32_t)at});
            *size += 6 + line->value_end - line->value;
        }
        *flags |= code & ((1u << FLAGS) - 1);
    }
    return count;
}

/* gather(names, method, target): (all flags, partition, some identity isn't empty, the octets to hash). */
PyObject *lines_gather(Lines *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !Py_IS_TYPE(args[0], &Names_Type) || !PyBytes_Check(args[1]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "gather(names: Names, method: bytes, target: bytes)");
        return NULL;
    }
    const Names *names = (const Names *)args[0];
    const uint8_t *text = lines_text(self);
    const Py_ssize_t method = PyBytes_GET_SIZE(args[1]), target = PyBytes_GET_SIZE(args[2]);
    if (method > INT32_MAX || target > INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too long");
        return NULL;
    }
    Part parts[MAX_LINES]; /* scan makes no more lines */
    unsigned int flags = 0;
    Py_ssize_t partition = 0, size = 8 + method + target;
    int identified = 0;
    const int keyed = collect(self, names, parts, &flags, &size);
    const int marked = (flags & CREDENTIAL) != 0;
    PyObject *material = PyBytes_FromStringAndSize(NULL, size + 2 * marked);
    if (material == NULL)
        return NULL;
    char *to = put_sized(PyBytes_AS_STRING(material), PyBytes_AS_STRING(args[1]), (uint32_t)method);
    to = put_sized(to, PyBytes_AS_STRING(args[2]), (uint32_t)target);
    for (int at = 0; at < keyed; at++) {
        const Line *line = &self->line[parts[at].line];
        const uint32_t code = names_code(names, text + line->start, line->colon - line->start, line->hash);
        const uint32_t length = line->value_end - line->value;
        char *part = to;
        *to++ = (char)(parts[at].number >> 8 & 0xFF);
        *to++ = (char)(parts[at].number & 0xFF);
        to = put_sized(to, text + line->value, length);
        if (code & PARTITION) {
            identified |= length > 0;
            if (mix(part, to - part, &partition) < 0) {
                Py_DECREF(material);
                return NULL;
            }
        }
    }
    if (marked) /* never mixes with answers to requests without a credential */
        memset(to, 0xFF, 2);
    return Py_BuildValue("(InNN)", flags, partition, PyBool_FromLong(identified), material);
}
