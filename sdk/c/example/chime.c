/* A plugin in C: plays a note on a MIDI output, counts its notes in a file, and tells a server how many there were.
 *
 * Build: clang --target=wasm32-wasi -mexec-model=reactor -O2 -I.. -o chime.wasm chime.c
 * Its manifest is chime.toml: conductor-sign manifest add chime.wasm chime.toml
 */
#include "conductor.h"

/* How many notes were played, by the file in the plugin's directory; 0 if there is none. */
static long played(void) {
    long count = 0;
    FILE *file = fopen("/played", "r");
    if (file != NULL) {
        if (fscanf(file, "%ld", &count) != 1) {
            count = 0;
        }
        fclose(file);
    }
    return count;
}

/* Keeps the number of notes; false if it could not be written. */
static bool keep(long count) {
    FILE *file = fopen("/played", "w");
    if (file == NULL) {
        return false;
    }
    bool is_written = fprintf(file, "%ld\n", count) > 0;
    return fclose(file) == 0 && is_written;
}

static conductor_status tell(const char *url, long count) {
    char body[64];
    int length = snprintf(body, sizeof body, "{\"played\": %ld}", count);
    const conductor_header type = {"content-type", "application/json"};
    conductor_http request = {"POST", url, &type, 1, body, (size_t)length};
    conductor_answer answer;
    conductor_status status = conductor_http_send(&request, &answer);
    if (status == CONDUCTOR_OK && conductor_number(conductor_member(answer.value, "status"), 0) >= 300) {
        status = conductor_fail(CONDUCTOR_FAILED, "the server did not take it");
    }
    conductor_free(&answer);
    return status;
}

static int failed(const char *what) {
    char line[640];
    snprintf(line, sizeof line, "%s: %s", what, conductor_why());
    conductor_log("error", line);
    return 1;
}

static int act(const conductor_call *call) {
    char port[256], url[1024];
    if (!conductor_text(conductor_member(call->parameters, "port"), port, sizeof port)) {
        conductor_log("error", "the parameter `port` is missing");
        return 3;
    }
    unsigned char velocity = (unsigned char)conductor_number(conductor_member(call->settings, "velocity"), 100);
    const unsigned char on[] = {0x90, 72, velocity}, off[] = {0x80, 72, 0};
    if (conductor_midi_send(port, on, sizeof on) != CONDUCTOR_OK ||
        conductor_midi_send(port, off, sizeof off) != CONDUCTOR_OK) {
        return failed("no note was played");
    }
    long count = played() + 1;
    if (!keep(count)) {
        conductor_log("warn", "the number of notes is not kept; was Filesystem granted?");
    }
    bool is_told = conductor_text(conductor_member(call->parameters, "url"), url, sizeof url);
    if (is_told && tell(url, count) != CONDUCTOR_OK) {
        return failed("the server was not told");
    }
    char reply[64];
    int length = snprintf(reply, sizeof reply, "{\"played\": %ld}", count);
    conductor_reply(reply, (size_t)length);
    return 0;
}

CONDUCTOR_PLUGIN(act)
