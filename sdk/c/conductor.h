/* The SDK of Conductor for C (C99) and C++ (C++11): one header, which needs no more than a C library for WASI.
 *
 * A plugin is a function that carries out one call:
 *
 *     #include "conductor.h"
 *
 *     static int act(const conductor_call *call) {
 *         const unsigned char note[] = {0x90, 60, 100};
 *         return conductor_midi_send("synth", note, sizeof note) == CONDUCTOR_OK ? 0 : 1;
 *     }
 *
 *     CONDUCTOR_PLUGIN(act)
 *
 * CONDUCTOR_PLUGIN makes a reactor, an instance of which lives on from call to call, so that statics keep their values.
 * Build it with `-mexec-model=reactor`. CONDUCTOR_COMMAND makes a command: each call is a fresh run.
 *
 * What the host does for a plugin is asked for with a conductor_status as the result; conductor_why() says why something
 * was not done. The operations with their fields and answers are in the manual, "Host calls as JSON": those without a
 * function of their own are asked for with conductor_begin, conductor_put_… and conductor_ask.
 *
 * Everything here is for one thread, as plugins are. Texts that end in NUL are `const char *`; other bytes come with their
 * number. Nothing needs to be freed but a conductor_answer.
 */
#ifndef CONDUCTOR_H
#define CONDUCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CONDUCTOR_API static inline __attribute__((unused))
#else
#define CONDUCTOR_API static inline
#endif

/* ---- How an operation ended ---- */

typedef enum conductor_status {
    CONDUCTOR_OK = 0,
    /* The plugin lacks the capability, or its scope does not cover the request. */
    CONDUCTOR_DENIED = 1,
    /* The request breaks a rule of its operation. */
    CONDUCTOR_INVALID = 2,
    /* The request or the answer is larger than the host allows, or than the plugin has memory for. */
    CONDUCTOR_TOO_LARGE = 3,
    /* A device or service is missing on this machine. */
    CONDUCTOR_UNAVAILABLE = 4,
    /* The operation was tried and failed. */
    CONDUCTOR_FAILED = 5,
    CONDUCTOR_TIMED_OUT = 6,
    CONDUCTOR_RATE_LIMITED = 7,
    /* This host does not know the operation. */
    CONDUCTOR_UNKNOWN_OP = 8
} conductor_status;

/* ---- Reading JSON ---- */

/* A value in a JSON text, which has to live as long. A value that is not there has the length 0. */
typedef struct conductor_value {
    const char *at;
    size_t length;
} conductor_value;

/* Whether the value is there, and is not null. */
CONDUCTOR_API bool conductor_is_there(conductor_value value);
/* The member of an object. */
CONDUCTOR_API conductor_value conductor_member(conductor_value object, const char *name);
/* An item of a list, counted from 0. */
CONDUCTOR_API conductor_value conductor_item(conductor_value list, size_t index);
/* A number, or `otherwise` if the value is none. */
CONDUCTOR_API double conductor_number(conductor_value value, double otherwise);
/* true or false, or `otherwise` if the value is neither. */
CONDUCTOR_API bool conductor_flag(conductor_value value, bool otherwise);
/* Copies a text in UTF-8, ending in NUL, to `to`, which has room for `room` bytes. Returns false, with an empty text, if
 * the value is no text or has no room. */
CONDUCTOR_API bool conductor_text(conductor_value value, char *to, size_t room);
/* Copies the bytes of a field of bytes to `to`. Returns their number, or SIZE_MAX if there are none or there is no room. */
CONDUCTOR_API size_t conductor_bytes(conductor_value value, void *to, size_t room);

/* ---- Calls ---- */

/* A call of an action. */
typedef struct conductor_call {
    /* Name of the action. */
    const char *action;
    /* What triggered the action: `note`, `velocity`, `cc`, `value`, `channel`, `timestamp`, `metadata`, … */
    conductor_value context;
    /* Parameters of the user's mapping. */
    conductor_value parameters;
    /* The plugin's settings. */
    conductor_value settings;
} conductor_call;

/* Carries out a call. Returns 0 for success. */
typedef int (*conductor_action)(const conductor_call *call);

/* ---- Asking the host ---- */

/* A request that is being written. */
typedef struct conductor_op {
    char *text;
    size_t length;
    size_t room;
    bool is_too_large;
} conductor_op;

/* What the host answered. */
typedef struct conductor_answer {
    /* The answer as an object; absent if the host gave none. */
    conductor_value value;
    /* The text that the values lie in. */
    char *text;
} conductor_answer;

/* Begins a request for the operation of this name. */
CONDUCTOR_API conductor_op conductor_begin(const char *name);
CONDUCTOR_API void conductor_put_text(conductor_op *op, const char *field, const char *text);
CONDUCTOR_API void conductor_put_number(conductor_op *op, const char *field, double number);
CONDUCTOR_API void conductor_put_bytes(conductor_op *op, const char *field, const void *bytes, size_t length);
/* A field that is JSON already. */
CONDUCTOR_API void conductor_put_json(conductor_op *op, const char *field, const char *json);
/* Makes the request, which ends with that. `answer` may be NULL; otherwise free it, however the operation ended. */
CONDUCTOR_API conductor_status conductor_ask(conductor_op *op, conductor_answer *answer);
CONDUCTOR_API void conductor_free(conductor_answer *answer);
/* Why the last operation that was not done was not done; an empty text if there was none. */
CONDUCTOR_API const char *conductor_why(void);

/* Writes a line to the plugin's log. Levels are "error", "warn", "info" and "debug". */
CONDUCTOR_API conductor_status conductor_log(const char *level, const char *message);
/* Sets the reply of the call; a later reply replaces an earlier one. */
CONDUCTOR_API conductor_status conductor_reply(const void *bytes, size_t length);
/* Sends whole MIDI messages to an output. Needs Midi. */
CONDUCTOR_API conductor_status conductor_midi_send(const char *port, const void *bytes, size_t length);

/* A header field. */
typedef struct conductor_header {
    const char *name;
    const char *value;
} conductor_header;

/* An HTTP request. Leave fields zero that it does not have. */
typedef struct conductor_http {
    /* "GET", "POST", … */
    const char *method;
    const char *url;
    const conductor_header *headers;
    size_t header_count;
    const void *body;
    size_t body_length;
} conductor_http;

/* Sends an HTTP request. Needs Network. `answer` may be NULL; otherwise it has the members `status`, `headers` and
 * `body`. A response with an error status is an answer as well. */
CONDUCTOR_API conductor_status conductor_http_send(const conductor_http *request, conductor_answer *answer);

/* ---- What is behind it ---- */

__attribute__((import_module("conductor"), import_name("call"))) uint64_t
conductor_import_call(uint32_t operation, const void *pointer, uint32_t length);
__attribute__((import_module("conductor"), import_name("request"))) uint64_t
conductor_import_request(const void *pointer, uint32_t length);

enum { CONDUCTOR_FETCH = 0, CONDUCTOR_REPLY = 1, CONDUCTOR_WHY_ROOM = 512 };

CONDUCTOR_API char *conductor_why_buffer(void) {
    static char why[CONDUCTOR_WHY_ROOM];
    return why;
}

CONDUCTOR_API const char *conductor_why(void) {
    return conductor_why_buffer();
}

CONDUCTOR_API conductor_status conductor_fail(conductor_status status, const char *why) {
    snprintf(conductor_why_buffer(), CONDUCTOR_WHY_ROOM, "%s", why);
    return status;
}

CONDUCTOR_API bool conductor_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the value that begins at `at`; `end` if the text ends before it. */
CONDUCTOR_API const char *conductor_skip(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        char first = *at++;
        if (conductor_is_blank(first) || first == ',' || first == ':') {
            continue;
        }
        if (first == '{' || first == '[') {
            depth++;
            continue;
        }
        if (first == '}' || first == ']') {
            depth--;
        } else if (first == '"') {
            while (at < end && *at != '"') {
                at += *at == '\\' && at + 1 < end ? 2 : 1;
            }
            at += at < end;
        } else {
            while (at < end && !conductor_is_blank(*at) && !memchr(",:]}", *at, 4)) {
                at++;
            }
        }
        if (depth <= 0) {
            return at;
        }
    }
    return end;
}

CONDUCTOR_API const char *conductor_next(const char *at, const char *end) {
    while (at < end && (conductor_is_blank(*at) || *at == ',' || *at == ':')) {
        at++;
    }
    return at;
}

/* The value at `*at`, which is moved behind it; absent at the end of a list or object. */
CONDUCTOR_API conductor_value conductor_take(const char **at, const char *end) {
    conductor_value value = {NULL, 0};
    const char *begin = conductor_next(*at, end);
    if (begin < end && *begin != '}' && *begin != ']') {
        *at = conductor_skip(begin, end);
        value.at = begin;
        value.length = (size_t)(*at - begin);
    }
    return value;
}

CONDUCTOR_API bool conductor_is(conductor_value value, char first) {
    return value.length > 0 && value.at[0] == first;
}

CONDUCTOR_API bool conductor_is_there(conductor_value value) {
    return value.length > 0 && !conductor_is(value, 'n');
}

CONDUCTOR_API conductor_value conductor_member(conductor_value object, const char *name) {
    conductor_value none = {NULL, 0};
    if (!conductor_is(object, '{')) {
        return none;
    }
    const char *at = object.at + 1, *end = object.at + object.length;
    for (;;) {
        conductor_value key = conductor_take(&at, end);
        if (key.length == 0) {
            return none;
        }
        conductor_value value = conductor_take(&at, end);
        char found[128];
        if (conductor_text(key, found, sizeof found) && strcmp(found, name) == 0) {
            return value;
        }
    }
}

CONDUCTOR_API conductor_value conductor_item(conductor_value list, size_t index) {
    conductor_value item = {NULL, 0};
    if (!conductor_is(list, '[')) {
        return item;
    }
    const char *at = list.at + 1, *end = list.at + list.length;
    do {
        item = conductor_take(&at, end);
    } while (item.length > 0 && index-- > 0);
    return item;
}

CONDUCTOR_API double conductor_number(conductor_value value, double otherwise) {
    char digits[64];
    if (value.length == 0 || value.length >= sizeof digits || !strchr("-0123456789", value.at[0])) {
        return otherwise;
    }
    memcpy(digits, value.at, value.length);
    digits[value.length] = '\0';
    return strtod(digits, NULL);
}

CONDUCTOR_API bool conductor_flag(conductor_value value, bool otherwise) {
    return conductor_is(value, 't') || (!conductor_is(value, 'f') && otherwise);
}

CONDUCTOR_API uint32_t conductor_hex(const char *at, const char *end) {
    uint32_t number = 0;
    for (int digit = 0; digit < 4 && at < end; digit++, at++) {
        const char *digits = "0123456789abcdef", *found = strchr(digits, *at | 0x20);
        number = number * 16 + (uint32_t)(found ? found - digits : 0);
    }
    return number;
}

/* Writes a character as UTF-8, and returns how many bytes it takes. */
CONDUCTOR_API size_t conductor_utf8(uint32_t c, char to[4]) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(heads[more] | c >> (6 * more));
    for (size_t byte = 1; byte <= more; byte++) {
        to[byte] = (char)(0x80 | (c >> (6 * (more - byte)) & 0x3f));
    }
    return more + 1;
}

CONDUCTOR_API bool conductor_text(conductor_value value, char *to, size_t room) {
    if (room > 0) {
        to[0] = '\0';
    }
    if (!conductor_is(value, '"') || value.length < 2) {
        return false;
    }
    const char *at = value.at + 1, *end = value.at + value.length - 1;
    size_t length = 0;
    while (at < end) {
        char utf8[4] = {*at++};
        size_t count = 1;
        if (utf8[0] == '\\' && at < end) {
            static const char escapes[] = "bfnrt", meant[] = "\b\f\n\r\t";
            const char *found = strchr(escapes, *at);
            utf8[0] = found ? meant[found - escapes] : *at;
            if (*at++ == 'u') {
                uint32_t c = conductor_hex(at, end);
                at += 4;
                if (c >= 0xd800 && c < 0xdc00 && at + 6 <= end) {
                    c = 0x10000 + ((c - 0xd800) << 10) + (conductor_hex(at + 2, end) - 0xdc00);
                    at += 6;
                }
                count = conductor_utf8(c, utf8);
            }
        }
        if (length + count >= room) {
            if (room > 0) {
                to[0] = '\0';
            }
            return false;
        }
        memcpy(to + length, utf8, count);
        length += count;
    }
    if (length >= room) {
        return false;
    }
    to[length] = '\0';
    return true;
}

static const char conductor_base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

CONDUCTOR_API size_t conductor_bytes(conductor_value value, void *to, size_t room) {
    static const char head[] = "\"base64:";
    size_t skip = sizeof head - 1, count = 0;
    if (value.length <= skip || memcmp(value.at, head, skip) != 0) {
        return SIZE_MAX;
    }
    uint32_t bits = 0;
    int have = 0;
    for (const char *at = value.at + skip, *end = value.at + value.length - 1; at < end && *at != '='; at++) {
        const char *found = strchr(conductor_base64, *at);
        if (!found || *at == '\0') {
            return SIZE_MAX;
        }
        bits = bits << 6 | (uint32_t)(found - conductor_base64);
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (count >= room) {
                return SIZE_MAX;
            }
            ((unsigned char *)to)[count++] = (unsigned char)(bits >> have);
        }
    }
    return count;
}

CONDUCTOR_API void conductor_put(conductor_op *op, const char *bytes, size_t length) {
    if (op->length + length > op->room && !op->is_too_large) {
        size_t room = 2 * (op->length + length);
        char *text = (char *)realloc(op->text, room);
        op->is_too_large = text == NULL;
        if (text != NULL) {
            op->text = text;
            op->room = room;
        }
    }
    if (!op->is_too_large && length > 0) {
        memcpy(op->text + op->length, bytes, length);
        op->length += length;
    }
}

CONDUCTOR_API void conductor_put_quoted(conductor_op *op, const char *text) {
    conductor_put(op, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20) {
            char escape[8];
            int length = snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text);
            conductor_put(op, escape, (size_t)length);
        } else {
            conductor_put(op, text, 1);
        }
    }
    conductor_put(op, "\"", 1);
}

CONDUCTOR_API void conductor_put_name(conductor_op *op, const char *field) {
    conductor_put(op, op->length > 0 ? "," : "{", 1);
    conductor_put_quoted(op, field);
    conductor_put(op, ":", 1);
}

CONDUCTOR_API conductor_op conductor_begin(const char *name) {
    conductor_op op = {NULL, 0, 0, false};
    conductor_put_text(&op, "op", name);
    return op;
}

CONDUCTOR_API void conductor_put_json(conductor_op *op, const char *field, const char *json) {
    conductor_put_name(op, field);
    conductor_put(op, json, strlen(json));
}

CONDUCTOR_API void conductor_put_text(conductor_op *op, const char *field, const char *text) {
    conductor_put_name(op, field);
    conductor_put_quoted(op, text);
}

CONDUCTOR_API void conductor_put_number(conductor_op *op, const char *field, double number) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.17g", number);
    conductor_put_json(op, field, digits);
}

CONDUCTOR_API void conductor_put_bytes(conductor_op *op, const char *field, const void *bytes, size_t length) {
    const unsigned char *from = (const unsigned char *)bytes;
    conductor_put_name(op, field);
    conductor_put(op, "\"base64:", 8);
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t bits = (uint32_t)from[at] << 16;
        bits |= left > 1 ? (uint32_t)from[at + 1] << 8 : 0;
        bits |= left > 2 ? from[at + 2] : 0;
        char four[4];
        for (int index = 0; index < 4; index++) {
            four[index] = conductor_base64[bits >> (18 - 6 * index) & 0x3f];
        }
        four[2] = left > 1 ? four[2] : '=';
        four[3] = left > 2 ? four[3] : '=';
        conductor_put(op, four, 4);
    }
    conductor_put(op, "\"", 1);
}

CONDUCTOR_API void conductor_free(conductor_answer *answer) {
    free(answer->text);
    answer->text = NULL;
    answer->value.at = NULL;
    answer->value.length = 0;
}

CONDUCTOR_API conductor_status conductor_ask(conductor_op *op, conductor_answer *answer) {
    conductor_answer kept = {{NULL, 0}, NULL};
    if (answer != NULL) {
        *answer = kept;
    }
    conductor_put(op, "}", 1);
    if (op->is_too_large) {
        free(op->text);
        return conductor_fail(CONDUCTOR_TOO_LARGE, "the plugin has no memory for the request");
    }
    uint64_t result = conductor_import_request(op->text, (uint32_t)op->length);
    free(op->text);
    conductor_status status = (conductor_status)(result >> 32);
    uint32_t length = (uint32_t)result;
    if (length == 0 || (status == CONDUCTOR_OK && answer == NULL)) {
        return status;
    }
    kept.text = (char *)malloc(length);
    if (kept.text == NULL) {
        return conductor_fail(CONDUCTOR_TOO_LARGE, "the plugin has no memory for the answer");
    }
    kept.value.at = kept.text;
    kept.value.length = (uint32_t)conductor_import_call(CONDUCTOR_FETCH, kept.text, length);
    if (status != CONDUCTOR_OK) {
        char why[CONDUCTOR_WHY_ROOM];
        conductor_value error = conductor_member(kept.value, "error");
        bool is_short = conductor_text(conductor_member(error, "message"), why, sizeof why);
        conductor_fail(status, is_short ? why : "the host's reason is too long to be kept");
    }
    if (answer != NULL) {
        *answer = kept;
    } else {
        free(kept.text);
    }
    return status;
}

CONDUCTOR_API conductor_status conductor_log(const char *level, const char *message) {
    conductor_op op = conductor_begin("log");
    conductor_put_text(&op, "level", level);
    conductor_put_text(&op, "message", message);
    return conductor_ask(&op, NULL);
}

CONDUCTOR_API conductor_status conductor_reply(const void *bytes, size_t length) {
    uint64_t result = conductor_import_call(CONDUCTOR_REPLY, bytes, (uint32_t)length);
    return (conductor_status)(result >> 32);
}

CONDUCTOR_API conductor_status conductor_midi_send(const char *port, const void *bytes, size_t length) {
    conductor_op op = conductor_begin("midi-send");
    conductor_put_text(&op, "port", port);
    conductor_put_bytes(&op, "bytes", bytes, length);
    return conductor_ask(&op, NULL);
}

CONDUCTOR_API conductor_status conductor_http_send(const conductor_http *request, conductor_answer *answer) {
    conductor_op op = conductor_begin("http-request");
    conductor_put_text(&op, "method", request->method);
    conductor_put_text(&op, "url", request->url);
    conductor_put_name(&op, "headers");
    conductor_put(&op, "[", 1);
    for (size_t index = 0; index < request->header_count; index++) {
        conductor_put(&op, index > 0 ? ",[" : "[", index > 0 ? 2 : 1);
        conductor_put_quoted(&op, request->headers[index].name);
        conductor_put(&op, ",", 1);
        conductor_put_quoted(&op, request->headers[index].value);
        conductor_put(&op, "]", 1);
    }
    conductor_put(&op, "]", 1);
    conductor_put_bytes(&op, "body", request->body, request->body_length);
    return conductor_ask(&op, answer);
}

/* Carries out the call whose request this is; 3 if the request is none. */
CONDUCTOR_API int conductor_run(conductor_action act, const char *request, size_t length) {
    conductor_value whole = {request, length};
    char action[128];
    if (!conductor_text(conductor_member(whole, "action"), action, sizeof action)) {
        return 3;
    }
    conductor_call call;
    call.action = action;
    call.context = conductor_member(whole, "context");
    call.parameters = conductor_member(whole, "parameters");
    call.settings = conductor_member(call.context, "settings");
    return act(&call);
}

/* Reads all of standard input, and carries out the call. */
CONDUCTOR_API int conductor_run_command(conductor_action act) {
    char *request = NULL;
    size_t length = 0, room = 0, count = 1;
    while (count > 0) {
        if (length == room) {
            room = room == 0 ? 4096 : 2 * room;
            char *grown = (char *)realloc(request, room);
            if (grown == NULL) {
                free(request);
                return 3;
            }
            request = grown;
        }
        count = fread(request + length, 1, room - length, stdin);
        length += count;
    }
    int code = conductor_run(act, request, length);
    free(request);
    return code;
}

#ifdef __cplusplus
}
#define CONDUCTOR_C extern "C"
#else
#define CONDUCTOR_C
#endif

/* Makes the module a reactor whose calls `act` carries out. In one source file, at its end. */
#define CONDUCTOR_PLUGIN(act)                                                                                  \
    static char *conductor_incoming;                                                                           \
    CONDUCTOR_C __attribute__((export_name("alloc"))) void *conductor_export_alloc(uint32_t size) {            \
        char *grown = (char *)realloc(conductor_incoming, size > 0 ? size : 1);                                \
        conductor_incoming = grown != NULL ? grown : conductor_incoming;                                       \
        return grown;                                                                                          \
    }                                                                                                          \
    CONDUCTOR_C __attribute__((export_name("execute"))) int conductor_export_execute(const char *request,      \
                                                                                     uint32_t length) {        \
        return conductor_run(act, request, length);                                                            \
    }

/* Makes the module a command whose calls `act` carries out. Its reply is conductor_reply's, or standard output. */
#define CONDUCTOR_COMMAND(act)                                                                                 \
    int main(void) {                                                                                           \
        return conductor_run_command(act);                                                                     \
    }

#endif
