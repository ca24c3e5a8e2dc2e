package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what processes have used: CPU since their start, memory now (bytes).
type usage struct {
	cpu time.Duration
	rss int64
}

// ticksPerSecond is the unit of /proc/PID/stat: Linux shows every program 100,
// whatever the kernel's own rate is.
const ticksPerSecond = 100

// processUsage sums over the processes, threads included.
func processUsage(pids []int) (usage, error) { return usageBelow("/proc", pids) }

func usageBelow(root string, pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		b, err := os.ReadFile(filepath.Join(root, strconv.Itoa(pid), "stat"))
		if err != nil {
			return usage{}, fmt.Errorf("process %d cannot be observed: %w", pid, err)
		}
		u, err := parseStat(string(b))
		if err != nil {
			return usage{}, fmt.Errorf("process %d: %w", pid, err)
		}
		sum.cpu += u.cpu
		sum.rss += u.rss
	}
	return sum, nil
}

// parseStat reads proc_pid_stat(5): utime is field 14, stime 15, rss 24. The
// second field is a name that may hold blanks and brackets, so counting begins
// after the last ')'.
func parseStat(s string) (usage, error) {
	i := strings.LastIndexByte(s, ')')
	if i < 0 {
		return usage{}, errors.New("not the form of /proc/PID/stat")
	}
	f := strings.Fields(s[i+1:])
	if len(f) < 22 {
		return usage{}, errors.New("/proc/PID/stat is too short")
	}
	if f[0] == "Z" {
		return usage{}, errors.New("the process has ended")
	}
	utime, err1 := strconv.ParseInt(f[11], 10, 64)
	stime, err2 := strconv.ParseInt(f[12], 10, 64)
	pages, err3 := strconv.ParseInt(f[21], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return usage{}, err
	}
	return usage{cpu: time.Duration(utime+stime) * (time.Second / ticksPerSecond), rss: pages * int64(os.Getpagesize())}, nil
}
