package main

import (
	"os"

	"catena/cmd/internal/torture"
)

func main() {
	os.Exit(torture.Main(os.Args[1:], os.Stdout, os.Stderr, []torture.Mode{
		{Name: "kill", Campaign: "torture", Rounds: 200, Run: torture.Kill},
		{Name: "stopped", Campaign: "lost-stopped", Rounds: 2, Run: torture.RemoveStopped},
	}))
}
