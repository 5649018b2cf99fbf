// How a test tells the device what to do: settings, failures, and the log of calls.
//
// TIDEGATE_FAKE_CUDA has the settings at start; TIDEGATE_FAKE_CUDA_CONTROL names a file with more of
// them that is read again whenever it has changed, so that a device can be broken under a running
// server. Both hold `key=value`, parted by commas, blanks or line ends:
//
//   devices=1  name=NAME  capability=9.0  memory=BYTES  driver=12090  seed=1
//   init=CODE               cuInit answers CODE
//   delay_us=N              every kernel takes that much longer
//   hang=1                  streams take up no more work; 0 lets them go on
//   fail=FUNCTION:N:CODE    the call after N more calls of FUNCTION fails, and the device is lost:
//                           every later call of any function fails with CODE
//   once=FUNCTION:N:CODE    only that call fails
//   fault=KERNEL:N:CODE     the same as `fail`, in the middle of the kernel's run after N more; the
//                           launch itself succeeds
//   log=PATH                lines `lost FUNCTION CODE` and, for each call made after that, `after FUNCTION`
//   log_calls=1             lines `call FUNCTION` too
//
// FUNCTION is the exported name (cuMemAlloc_v2), FUNCTION and KERNEL may be `any`. N counts from the
// moment at which the rule was first read; a rule that was dropped and comes back counts anew.

#include "driver.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

struct Rule {
    std::string function;
    long left;
    int code;
};

// Never destroyed: streams may still run while the process ends.
struct State {
    std::mutex lock;
    Settings settings;
    std::map<std::string, Rule> rules;  // by `key=value`, with what is left to count
    std::string log;
    bool log_calls = false;
    timespec read_at{};
    off_t read_size = -1;
    bool started = false;
    int lost = SUCCESS;
};

State& state() {
    static State* state = new State;
    return *state;
}

void write_line(const State& state, const char* kind, const char* function, int code) {
    if (state.log.empty()) {
        return;
    }
    char line[160];
    const int length = code ? snprintf(line, sizeof line, "%s %s %d\n", kind, function, code)
                            : snprintf(line, sizeof line, "%s %s\n", kind, function);
    const int file = open(state.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || write(file, line, length) != length) {
        wrong("cannot write to %s", state.log.c_str());
    }
    close(file);
}

void read_rule(State& state, const std::map<std::string, Rule>& before, const std::string& word,
               const std::string& value) {
    char function[64];
    long calls;
    int code;
    if (sscanf(value.c_str(), "%63[^:]:%ld:%d", function, &calls, &code) != 3) {
        wrong("`%s`: expected FUNCTION:N:CODE", word.c_str());
    }
    const auto known = before.find(word);
    state.rules[word] = known == before.end() ? Rule{function, calls, code} : known->second;
}

void read_word(State& state, const std::map<std::string, Rule>& before, const std::string& word) {
    const size_t at = word.find('=');
    if (at == std::string::npos) {
        wrong("`%s`: expected key=value", word.c_str());
    }
    const std::string key = word.substr(0, at), value = word.substr(at + 1);
    Settings& settings = state.settings;
    if (key == "devices") settings.devices = atoi(value.c_str());
    else if (key == "driver") settings.driver = atoi(value.c_str());
    else if (key == "init") settings.init = atoi(value.c_str());
    else if (key == "memory") settings.memory = strtoull(value.c_str(), nullptr, 10);
    else if (key == "delay_us") settings.delay_us = atol(value.c_str());
    else if (key == "hang") settings.hang = value == "1";
    else if (key == "seed") shim::set_seed(strtoull(value.c_str(), nullptr, 10));
    else if (key == "name") snprintf(settings.name, sizeof settings.name, "%s", value.c_str());
    else if (key == "capability") sscanf(value.c_str(), "%d.%d", &settings.major, &settings.minor);
    else if (key == "log") state.log = value;
    else if (key == "log_calls") state.log_calls = value == "1";
    else if (key == "fail" || key == "once" || key == "fault") read_rule(state, before, word, value);
    else wrong("`%s`: no such setting", word.c_str());
}

void read_words(State& state, const std::map<std::string, Rule>& before, const std::string& text) {
    std::string word;
    for (const char c : text + "\n") {
        if (c != ',' && c != ' ' && c != '\n') {
            word += c;
        } else if (!word.empty()) {
            read_word(state, before, word);
            word.clear();
        }
    }
}

// Reads the settings where they are not known yet, or the file has changed. Holds the lock.
void refresh(State& state) {
    const char* path = getenv("TIDEGATE_FAKE_CUDA_CONTROL");
    struct stat now{};
    const bool there = path && stat(path, &now) == 0;
    const bool changed = there && (now.st_size != state.read_size || now.st_mtim.tv_sec != state.read_at.tv_sec ||
                                   now.st_mtim.tv_nsec != state.read_at.tv_nsec);
    if (state.started && !changed) {
        return;
    }
    state.settings = Settings{};
    state.log_calls = false;
    const std::map<std::string, Rule> before = std::move(state.rules);
    state.rules.clear();
    const char* first = getenv("TIDEGATE_FAKE_CUDA");
    read_words(state, before, first ? first : "");
    if (there) {
        std::string text(now.st_size, '\0');
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        const ssize_t length = file < 0 ? -1 : read(file, &text[0], text.size());
        if (length < 0) {
            wrong("cannot read %s", path);
        }
        close(file);
        text.resize(length);
        read_words(state, before, text);
        state.read_at = now.st_mtim;
        state.read_size = now.st_size;
    }
    state.started = true;
}

void lose(State& state, const char* function, int code) {
    if (state.lost == SUCCESS) {
        state.lost = code;
        write_line(state, "lost", function, code);
    }
}

// The error of the first rule of this kind whose turn it is.
int due(State& state, const char* kind, const char* function) {
    for (auto& [word, rule] : state.rules) {
        const bool named = rule.function == "any" || rule.function == function;
        if (word.compare(0, strlen(kind), kind) == 0 && named && rule.left-- == 0) {
            return rule.code;
        }
    }
    return SUCCESS;
}

}  // namespace

Settings settings() {
    State& s = state();
    std::lock_guard<std::mutex> lock(s.lock);
    refresh(s);
    return s.settings;
}

int admitted(const char* function) {
    State& s = state();
    std::lock_guard<std::mutex> lock(s.lock);
    refresh(s);
    if (s.lost) {
        write_line(s, "after", function, 0);
        return s.lost;
    }
    if (s.log_calls) {
        write_line(s, "call", function, 0);
    }
    const int once = due(s, "once=", function), code = due(s, "fail=", function);
    if (code) {
        lose(s, function, code);
    }
    return once ? once : code;
}

bool kernel_survives(const char* name) {
    State& s = state();
    std::lock_guard<std::mutex> lock(s.lock);
    refresh(s);
    const int code = due(s, "fault=", name);
    if (code) {
        lose(s, name, code);
    }
    return s.lost == SUCCESS;
}

int told(const char* function, int result) {
    switch (result) {
        case ECC_UNCORRECTABLE: case NVLINK_UNCORRECTABLE: case ILLEGAL_ADDRESS: case LAUNCH_TIMEOUT: case ASSERT:
        case HARDWARE_STACK_ERROR: case ILLEGAL_INSTRUCTION: case MISALIGNED_ADDRESS: case INVALID_ADDRESS_SPACE:
        case INVALID_PC: case LAUNCH_FAILED: case UNKNOWN: {
            State& s = state();
            std::lock_guard<std::mutex> lock(s.lock);
            lose(s, function, result);
        }
    }
    return result;
}

bool is_lost() {
    State& s = state();
    std::lock_guard<std::mutex> lock(s.lock);
    return s.lost != SUCCESS;
}

void wrong(const char* words, ...) {
    va_list arguments;
    va_start(arguments, words);
    fprintf(stderr, "fake CUDA driver: ");
    vfprintf(stderr, words, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}
