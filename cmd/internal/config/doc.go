// Package config holds the settings of `catena server` and the commands that
// share them.
//
// One table (settings) names each setting once. From a name like "drain-delay"
// follow the flag --drain-delay, the environment variable CATENA_DRAIN_DELAY
// and the key drain-delay of the YAML file. A value comes from the first of:
// flag, environment, file, default. Lists are comma-separated in flags and
// environment (a flag may also be repeated) and may be sequences in YAML; a
// higher source replaces a list, it does not add to it.
//
// The file is strict: an unknown key, a key given twice, a mapping or a list
// where one value belongs is an error that names the line.
//
// Load reports every problem at once, and so does Validate. A secret is never
// part of an error or of what Print shows.
package config
