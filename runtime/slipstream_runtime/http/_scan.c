/* One pass over the lines of a head. Takes only what the scanner in Python takes, with the same meaning; whatever is out of the ordinary
(an error, too) is left to it by returning None, so that there is one place that says what is wrong.

Every index is compared with the size of the block before it is read: nothing relies on a terminating octet. */
#include "_lines.h"

/* field-content of RFC 9110 section 5.5: tab, space, visible ASCII, obs-text. */
static inline int is_value(uint8_t octet)
{
    return (octet >= 0x20 && octet != 0x7F) || octet == '\t';
}

/* reg-name, IP literals and a port (RFC 3986 section 3.2.2), as fields.HOST. */
static inline int is_host(uint8_t octet)
{
    switch (octet) {
    case '#':
    case '^':
    case '`':
    case '|':
        return 0;
    case '(':
    case ')':
    case '[':
    case ']':
    case ':':
    case ';':
    case ',':
    case '=':
        return 1;
    default:
        return TOKEN[octet] != 0;
    }
}

/* Eight octets, none of them a control, tested in one word. (Compilers make no vector instructions of a loop over sixteen.) */
static inline int eight_plain(const uint8_t *text)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t octets;
    memcpy(&octets, text, sizeof octets);
    const uint64_t deletes = octets ^ each * 0x7F;
    return !((((octets - each * 0x20) & ~octets) | ((deletes - each) & ~deletes)) & each * 0x80);
}

static int equals(const uint8_t *text, uint32_t from, uint32_t to, const char *lowered)
{
    uint32_t size = (uint32_t)strlen(lowered);
    if (to - from != size)
        return 0;
    for (uint32_t i = 0; i < size; i++)
        if (TOKEN[text[from + i]] != (uint8_t)lowered[i])
            return 0;
    return 1;
}

/* What a line of a kind that frames or routes the message says; 0 where the scanner in Python has to look at it. */
static int take_special(Lines *found, const uint8_t *text, const Line *line, int number)
{
    const unsigned int framed = 1u << CONTENT_LENGTH | 1u << TRANSFER_ENCODING;
    switch (line->kind) {
    case CONTENT_LENGTH: {
        long long length = 0;
        uint32_t size = line->value_end - line->value;
        if (found->present & framed || size == 0 || size > 18)
            return 0;
        for (uint32_t i = line->value; i < line->value_end; i++) {
            if (text[i] < '0' || text[i] > '9')
                return 0;
            length = length * 10 + (text[i] - '0');
        }
        found->body = length;
        return 1;
    }
    case TRANSFER_ENCODING:
        if (found->present & framed || !equals(text, line->value, line->value_end, "chunked"))
            return 0;
        found->body = CHUNKED;
        return 1;
    case CONNECTION:
        if (equals(text, line->value, line->value_end, "close"))
            found->present |= 1u << CLOSE;
        else if (!equals(text, line->value, line->value_end, "keep-alive"))
            return 0;
        return 1;
    case HOST_FIELD:
        if (found->host >= 0)
            return 0;
        for (uint32_t i = line->value; i < line->value_end; i++)
            if (!is_host(text[i]))
                return 0;
        found->host = number;
        return 1;
    case EXPECT:
    case UPGRADE:
        return 0;
    default:
        return 1; /* never forwarded, or only told to the caller */
    }
}

/* Whether a credential or a challenge may be about its connection (binding.py decides, where this doesn't rule it out): its scheme begins
as one of those does, or there may be another one behind a comma. A bearer token and a password aren't. */
static int may_bind(const uint8_t *text, const Line *line)
{
    const uint32_t size = line->value_end - line->value;
    const uint8_t first = size ? TOKEN[text[line->value]] : 0;
    return first == 'n' || first == 'k' || first == 'c' || memchr(text + line->value, ',', size) != NULL;
}

/* The line at `at` (after a CRLF); where it ends, 0 where it isn't a good one. */
static uint32_t take_line(const uint8_t *text, uint32_t at, uint32_t size, Line *line)
{
    line->start = at;
    while (at < size && TOKEN[text[at]])
        at++;
    if (at >= size || at == line->start || text[at] != ':')
        return 0;
    line->colon = at++;
    line->hash = name_hash(text + line->start, line->colon - line->start);
    while (at < size && (text[at] == ' ' || text[at] == '\t'))
        at++;
    line->value = at;
    for (;;) {
        while (size - at >= 8 && eight_plain(text + at))
            at += 8;
        uint32_t stop = size - at > 8 ? at + 8 : size;
        while (at < stop && is_value(text[at]))
            at++;
        if (at < stop || at == size)
            break;
    }
    uint32_t end = at;
    while (end > line->value && (text[end - 1] == ' ' || text[end - 1] == '\t'))
        end--;
    line->value_end = end;
    return at;
}

/* What is found before a Lines can be made of it. */
typedef struct {
    Lines facts;
    int number;   /* of lines */
    uint32_t end; /* where they do */
    Line line[MAX_LINES];
} Found;

/* The lines behind a start line that ends at `first`: until `size`, or (`open`) until an empty line before it. 0 where the scanner in
Python has to read them. */
static int take_lines(Found *found, const uint8_t *text, uint32_t first, uint32_t size, const Names *names, Py_ssize_t max_lines, int open)
{
    uint32_t at = first;
    found->facts = (Lines){.host = -1, .first = first};
    found->number = 0;
    while (at < size) {
        if (size - at < 2 || text[at] != '\r' || text[at + 1] != '\n')
            return 0;
        if (open && size - at >= 4 && text[at + 2] == '\r' && text[at + 3] == '\n') {
            found->end = at;
            return 1;
        }
        if (found->number >= max_lines || found->number == MAX_LINES)
            return 0;
        Line *here = &found->line[found->number];
        at = take_line(text, at + 2, size, here);
        if (at == 0)
            return 0;
        here->kind = names_code(names, text + here->start, here->colon - here->start, here->hash);
        if ((here->kind == LOGIN || here->kind == CHALLENGE) && !may_bind(text, here))
            here->kind = ORDINARY;
        if (here->kind) {
            if (here->kind > MAX_KIND || here->kind == CLOSE || !take_special(&found->facts, text, here, found->number))
                return 0;
            if (here->kind == TRANSFER_ENCODING && memchr(text + here->colon, '\t', at - here->colon) != NULL)
                return 0;
            found->facts.present |= 1u << here->kind;
        }
        found->number++;
    }
    found->end = at;
    return !open;
}

static Lines *lines_of(const Found *found, PyObject *block)
{
    Lines *self = PyObject_NewVar(Lines, &Lines_Type, found->number);
    if (self == NULL)
        return NULL;
    self->block = Py_NewRef(block);
    self->body = found->facts.body;
    self->present = found->facts.present;
    self->host = found->facts.host;
    self->first = found->facts.first;
    for (int i = 0; i < found->number; i++)
        self->line[i] = found->line[i];
    return self;
}

/* scan(block, first, names, max_lines): the lines after block[:first], or None. */
static PyObject *scan(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyBytes_CheckExact(args[0]) || !Py_IS_TYPE(args[2], &Names_Type)) {
        PyErr_SetString(PyExc_TypeError, "scan(block: bytes, first: int, names: Names, max_lines: int)");
        return NULL;
    }
    const Py_ssize_t first = PyLong_AsSsize_t(args[1]), max_lines = PyLong_AsSsize_t(args[3]);
    if (PyErr_Occurred())
        return NULL;
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    const uint8_t *text = (const uint8_t *)PyBytes_AS_STRING(args[0]);
    Found found;
    if (first < 0 || first > size || size > INT32_MAX)
        Py_RETURN_NONE;
    if (!take_lines(&found, text, (uint32_t)first, (uint32_t)size, (const Names *)args[2], max_lines, 0))
        Py_RETURN_NONE;
    return (PyObject *)lines_of(&found, args[0]);
}

/* Where `mark` begins in text[from:to], -1 where it doesn't. */
static Py_ssize_t find(const char *text, Py_ssize_t from, Py_ssize_t to, const char *mark)
{
    const Py_ssize_t size = (Py_ssize_t)strlen(mark);
    while (to - from >= size) {
        const char *here = memchr(text + from, mark[0], (size_t)(to - from - size + 1));
        if (here == NULL)
            return -1;
        if (memcmp(here, mark, (size_t)size) == 0)
            return here - text;
        from = here - text + 1;
    }
    return -1;
}

/* find_head(data, start, seen, names, max_head, max_lines): (where the head at `start` ends, its start line, its block, its lines, the
kinds and the body of these); data[:seen] was searched before. None where it isn't complete, is too long, or isn't ordinary. */
static PyObject *find_head(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_CheckExact(args[0]) || !Py_IS_TYPE(args[3], &Names_Type)) {
        PyErr_SetString(PyExc_TypeError, "find_head(data: bytes, start: int, seen: int, names: Names, max_head: int, max_lines: int)");
        return NULL;
    }
    const Py_ssize_t start = PyLong_AsSsize_t(args[1]), seen = PyLong_AsSsize_t(args[2]);
    const Py_ssize_t max_head = PyLong_AsSsize_t(args[4]), max_lines = PyLong_AsSsize_t(args[5]);
    if (PyErr_Occurred())
        return NULL;
    const char *text = PyBytes_AS_STRING(args[0]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    if (start < 0 || start > size || size > INT32_MAX)
        Py_RETURN_NONE;
    /* One that comes in small pieces isn't scanned anew with each of them. */
    if (seen > start && find(text, seen - 3 > start ? seen - 3 : start, size, "\r\n\r\n") < 0)
        Py_RETURN_NONE;
    const Py_ssize_t first = find(text, start, size, "\r\n") - start;
    if (first < 0)
        Py_RETURN_NONE;
    Found found;
    const uint8_t *head = (const uint8_t *)text + start;
    if (!take_lines(&found, head, (uint32_t)first, (uint32_t)(size - start), (const Names *)args[3], max_lines, 1))
        Py_RETURN_NONE;
    if (found.number == 0 || (Py_ssize_t)found.end > max_head)
        Py_RETURN_NONE;
    PyObject *block = PyBytes_FromStringAndSize(text + start, found.end);
    if (block == NULL)
        return NULL;
    PyObject *items[6] = {
        PyLong_FromSsize_t(start + found.end), PyBytes_FromStringAndSize(text + start, first), block, (PyObject *)lines_of(&found, block),
        PyLong_FromUnsignedLong(found.facts.present), PyLong_FromLongLong(found.facts.body),
    };
    return lines_tuple(items, 6);
}

static PyMethodDef functions[] = {
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL,
     "scan(block, first, names, max_lines): the lines of block[first:] where they are ordinary, else None."},
    {"find_head", (PyCFunction)(void (*)(void))find_head, METH_FASTCALL,
     "find_head(data, start, seen, names, max_head, max_lines): the head at data[start:] where it is ordinary, else None."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "slipstream_runtime.http._lines",
    .m_doc = "The lines of a head in one pass: the ordinary ones fast, every other left to lines in Python.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__lines(void)
{
    if (PyType_Ready(&Names_Type) < 0 || PyType_Ready(&Lines_Type) < 0 || PyType_Ready(&Rule_Type) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (PyModule_AddObjectRef(module, "Names", (PyObject *)&Names_Type) < 0 || PyModule_AddObjectRef(module, "Lines", (PyObject *)&Lines_Type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
