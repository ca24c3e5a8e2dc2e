// Command catena is the one binary: `catena server DIR...` is a whole object
// store, and the other commands look at it.
//
// This package is the only place that reads flags and environment, installs
// signal handlers and exits. A file per command; settings are those of package
// config, the start of a server is in server.go, and role.go builds masters,
// stores and gateway.
//
// Exit codes: 0 done; 1 it failed; 2 the command line or a setting is wrong;
// 3 stopped at once by a second signal.
package main
