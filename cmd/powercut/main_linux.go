package main

import (
	"os"

	"catena/cmd/internal/torture"
)

func main() {
	os.Exit(torture.Main(os.Args[1:], os.Stdout, os.Stderr, []torture.Mode{
		{Name: "cut", Campaign: "powercut", Rounds: 30, Run: torture.PowerCut},
		{Name: "running", Campaign: "lost-running", Rounds: 2, Run: torture.LoseRunning},
	}))
}
