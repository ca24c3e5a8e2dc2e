//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "powercut: cutting the power of a file system needs Linux")
	os.Exit(2)
}
