/* Writes "<size> <path>" for every fsync and fdatasync, so that a test can cut files to what was synced: `kill -9`
 * alone keeps the page cache and shows nothing of a power cut. Loaded with LD_PRELOAD; FSYNC_LOG names the log, and
 * FSYNC_DELAY_US makes the disk slow, so that most cuts find something on its way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int fd) {
  const char *log_path = getenv("FSYNC_LOG");
  char link[64], path[4096], line[4224];
  struct stat status;
  if (!log_path) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0 || fstat(fd, &status) != 0) return;
  path[length] = 0;
  int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log < 0) return;
  int size = snprintf(line, sizeof line, "%lld %s\n", (long long)status.st_size, path);
  if (write(log, line, (size_t)size) != size) abort();
  close(log);
}

static void delay(void) {
  const char *microseconds = getenv("FSYNC_DELAY_US");
  if (microseconds) usleep((useconds_t)atoi(microseconds));
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  delay();
  int result = real(fd);
  if (result == 0) note(fd);
  return result;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  delay();
  int result = real(fd);
  if (result == 0) note(fd);
  return result;
}
