/* Kills the program that it is loaded into (LD_PRELOAD) at one of the calls by which it leaves
 * something outside of itself: a write, a sync, a message, another name of a file.
 *
 * Nothing happens before the file $DYING exists. From then on the calls are counted and named in
 * $DYING.calls. The file says the call at which to die, counted from one, and whether half of what
 * it would have written is written first: "17" or "17 torn".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

/* Whether to die at this call, and how much to write before: 0 or half. */
static int dies_at(const char *what, const char *on, size_t size, size_t *first) {
  const char *path = getenv("DYING");
  char plan[64] = "", line[PATH_MAX + 64];
  if (path == NULL) return 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, plan, sizeof plan - 1);
  close(file);
  if (length <= 0) return 0;
  long call = atomic_fetch_add(&calls, 1) + 1;
  snprintf(line, sizeof line, "%s.calls", path);
  int log = open(line, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log >= 0) {
    int said = snprintf(line, sizeof line, "%ld %s %s %zu\n", call, what, on, size);
    syscall(SYS_write, log, line, (size_t)said);
    close(log);
  }
  *first = strstr(plan, "torn") != NULL ? size / 2 : 0;
  return call == atol(plan);
}

/* The same for what is done with a descriptor. What is said on stdout and stderr, and what threads
 * say to each other, leaves nothing behind. */
static int dies_on(const char *what, int fd, size_t size, size_t *first) {
  char link[64], on[PATH_MAX];
  if (fd == STDOUT_FILENO || fd == STDERR_FILENO) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, on, sizeof on - 1);
  if (length < 0) return 0;
  on[length] = '\0';
  if (strncmp(on, "anon_inode:", 11) == 0) return 0;
  return dies_at(what, on, size, first);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
  size_t first = 0;
  if (dies_on("write", fd, size, &first)) {
    if (first > 0) syscall(SYS_write, fd, data, first);
    die();
  }
  return REAL(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  size_t first = 0, size = 0;
  for (int at = 0; at < count; at++) size += parts[at].iov_len;
  if (dies_on("writev", fd, size, &first)) {
    if (first > 0 && count > 0) syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len);
    die();
  }
  return REAL(writev)(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  size_t first = 0;
  if (dies_on("pwrite", fd, size, &first)) {
    if (first > 0) syscall(SYS_pwrite64, fd, data, first, at);
    die();
  }
  return REAL(pwrite64)(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return pwrite64(fd, data, size, at);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  size_t first = 0;
  if (dies_on("send", fd, size, &first)) {
    if (first > 0) syscall(SYS_sendto, fd, data, first, flags, NULL, 0);
    die();
  }
  return REAL(send)(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  size_t first = 0;
  if (dies_on("sendmsg", fd, 0, &first)) die();
  return REAL(sendmsg)(fd, message, flags);
}

int fsync(int fd) {
  size_t first = 0;
  if (dies_on("fsync", fd, 0, &first)) die();
  return REAL(fsync)(fd);
}

int fdatasync(int fd) {
  size_t first = 0;
  if (dies_on("fdatasync", fd, 0, &first)) die();
  return REAL(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t size) {
  size_t first = 0;
  if (dies_on("ftruncate", fd, 0, &first)) die();
  return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int rename(const char *from, const char *to) {
  size_t first = 0;
  if (dies_at("rename", to, 0, &first)) die();
  return REAL(rename)(from, to);
}

int unlink(const char *path) {
  size_t first = 0;
  if (dies_at("unlink", path, 0, &first)) die();
  return REAL(unlink)(path);
}
