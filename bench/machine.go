package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine describes where the client ran; with a local server, also where the
// server ran. It names no host.
type Machine struct {
	CPU string `json:"cpu"`
	// Cores are those that this process may use.
	Cores int `json:"cores"`
	// Memory in bytes; 0 unknown.
	Memory int64  `json:"memory_bytes,omitempty"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

func describeMachine() Machine {
	m := Machine{CPU: "unknown", Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: "unknown", Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = cpuModel(string(b))
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = memTotal(string(b))
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// cpuModel takes the first model name; arm64 has only numbers of its parts.
func cpuModel(info string) string {
	for _, want := range []string{"model name", "CPU part", "Processor"} {
		for line := range strings.Lines(info) {
			name, val, ok := strings.Cut(line, ":")
			if ok && strings.TrimSpace(name) == want {
				if want == "CPU part" {
					return "CPU part " + strings.TrimSpace(val)
				}
				return strings.TrimSpace(val)
			}
		}
	}
	return "unknown"
}

func memTotal(info string) int64 {
	for line := range strings.Lines(info) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// clientCPU is this process's CPU time.
func clientCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
