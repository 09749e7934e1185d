/* Writes "<size> <inode>:<birth>" for every fsync and fdatasync, so that a test can cut files to what was synced:
 * `kill -9` alone keeps the page cache and shows nothing of a power cut. The size is read before the sync: what another
 * thread appends meanwhile may not be in it. An inode's number is used again soon, with its time of birth it is not.
 * Loaded with LD_PRELOAD; FSYNC_LOG names the log. While the file that FSYNC_DELAY_FILE names exists, each sync takes
 * longer by the microseconds written in it, so that most cuts find something on its way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int look(int fd, struct statx *status) {
  return statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_INO | STATX_BTIME, status);
}

static void note(const struct statx *status) {
  const char *log_path = getenv("FSYNC_LOG");
  char line[128];
  if (!log_path) return;
  int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log < 0) return;
  long long birth = (long long)status->stx_btime.tv_sec * 1000000000LL + status->stx_btime.tv_nsec;
  int size = snprintf(line, sizeof line, "%llu %llu:%lld\n", (unsigned long long)status->stx_size,
                      (unsigned long long)status->stx_ino, birth);
  if (write(log, line, (size_t)size) != size) abort();
  close(log);
}

static void delay(void) {
  const char *path = getenv("FSYNC_DELAY_FILE");
  char text[16] = {0};
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return;
  if (read(file, text, sizeof text - 1) > 0) usleep((useconds_t)atoi(text));
  close(file);
}

static int synced(const char *name, int fd) {
  struct statx before;
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int is_known = look(fd, &before) == 0;
  delay();
  int result = real(fd);
  if (result == 0 && is_known) note(&before);
  return result;
}

int fsync(int fd) { return synced("fsync", fd); }

int fdatasync(int fd) { return synced("fdatasync", fd); }
