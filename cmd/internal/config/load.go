package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// EnvPrefix begins every environment variable of ours.
const EnvPrefix = "CATENA_"

// ConfigEnv names the file, as --config does.
const ConfigEnv = EnvPrefix + "CONFIG"

// EnvName gives the environment variable of a setting.
func EnvName(name string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Flags holds what the command line said, until Load.
type Flags struct{ given map[string]*flagValue }

// Reset forgets what was given, for a command line that is parsed again.
func (f *Flags) Reset() {
	for _, v := range f.given {
		v.texts = nil
	}
}

// flagValue remembers the texts of one flag. It is a pflag.Value.
type flagValue struct {
	texts []string
	typ   string
	shown string
}

// Set is called once for each time the flag is given. It takes everything: the
// library stops at the first error, and Load reports all of them.
func (f *flagValue) Set(s string) error {
	f.texts = append(f.texts, s)
	return nil
}

func (f *flagValue) String() string { return f.shown }

// Type implements pflag.Value.
func (f *flagValue) Type() string { return f.typ }

// IsBoolFlag lets --flag stand for --flag=true.
func (f *flagValue) IsBoolFlag() bool { return f.typ == "bool" }

// Spec is a flag to register: the caller passes it to pflag's VarPF, and sets
// NoOptDefVal to "true" when Bool.
type Spec struct {
	Name, Usage string
	Bool        bool
	Value       interface {
		Set(string) error
		String() string
		Type() string
	}
}

// NewFlags gives the flags of all settings, or of those named, for a command.
func NewFlags(only ...string) (*Flags, []Spec) {
	f := &Flags{given: map[string]*flagValue{}}
	var specs []Spec
	def := Default()
	for _, s := range settings() {
		if s.noFlag || s.secret || len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		v := s.value(&def)
		fv := &flagValue{typ: v.Type(), shown: v.String()}
		f.given[s.name] = fv
		specs = append(specs, Spec{Name: s.name, Usage: s.usage + " [$" + EnvName(s.name) + "]", Bool: v.Type() == "bool", Value: fv})
	}
	return f, specs
}

// Input is everything that Load reads.
type Input struct {
	// Flags from NewFlags; nil for none.
	Flags *Flags
	// Dirs are the command's arguments; they count as a flag.
	Dirs []string
	// File is --config; CATENA_CONFIG when empty.
	File string
	// Environ is os.Environ().
	Environ []string
	// ReadFile reads the config file and key files; os.ReadFile when nil.
	ReadFile func(string) ([]byte, error)
}

// Loaded is the outcome.
type Loaded struct {
	Config
	// Sources says for each setting where its value comes from.
	Sources map[string]string
	// Warnings are sentences about what is probably a mistake.
	Warnings []string
}

// Load layers the sources and validates. Loaded is usable for Print also when
// there is an error, which holds every problem (errors.Join).
func Load(in Input) (Loaded, error) {
	if in.ReadFile == nil {
		in.ReadFile = os.ReadFile
	}
	l := Loaded{Config: Default(), Sources: map[string]string{}}
	env, warnings := environment(in.Environ)
	l.Warnings = warnings
	file := in.File
	if file == "" {
		file = env[ConfigEnv]
	}
	entries, errs := readFile(file, in.ReadFile)
	for _, s := range settings() {
		if err := l.resolve(s, in, env, entries); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, l.readKeyFiles(in.ReadFile)...)
	errs = append(errs, l.Validate())
	return l, errors.Join(errs...)
}

// resolve sets one setting from the first source that has it.
func (l *Loaded) resolve(s setting, in Input, env map[string]string, entries map[string]entry) error {
	v := s.value(&l.Config)
	set := func(text, source, where string) error {
		l.Sources[s.name] = source
		return setText(s, v, text, where)
	}
	if s.name == "dirs" && len(in.Dirs) > 0 {
		// Not through Set: a path may hold a comma.
		l.Dirs, l.Sources[s.name] = slices.Clone(in.Dirs), "arguments"
		return nil
	}
	if in.Flags != nil {
		if f := in.Flags.given[s.name]; f != nil && len(f.texts) > 0 {
			return l.fromFlag(s, v, f)
		}
	}
	if text, ok := env[EnvName(s.name)]; ok {
		name := EnvName(s.name)
		return set(text, "environment "+name, "environment variable "+name)
	}
	if e, ok := entries[s.name]; ok {
		return l.fromFile(s, v, e, set)
	}
	l.Sources[s.name] = "default"
	return nil
}

// setText sets a value and says what is wrong with the text.
func setText(s setting, v value, text, where string) error {
	err := v.Set(text)
	if err == nil {
		return nil
	}
	shown := fmt.Sprintf("%q", text)
	if s.secret {
		shown = "(secret)"
	}
	return fmt.Errorf("%s: %s is not valid: %w", where, shown, err)
}

// fromFlag sets a setting from a flag: the last one given, or all of a list.
// Each text is checked, also one that a later one replaces.
func (l *Loaded) fromFlag(s setting, v value, f *flagValue) error {
	source := "flag --" + s.name
	l.Sources[s.name] = source
	var errs []error
	for _, text := range f.texts {
		errs = append(errs, setText(s, v, text, source))
	}
	if _, ok := v.(many); ok && errors.Join(errs...) == nil {
		errs = append(errs, setText(s, v, strings.Join(f.texts, ","), source))
	}
	return errors.Join(errs...)
}

// fromFile sets a setting from the file's entry.
func (l *Loaded) fromFile(s setting, v value, e entry, set func(text, source, where string) error) error {
	where := fmt.Sprintf("%s:%d: %s", e.file, e.line, s.name)
	if _, ok := v.(many); !ok && e.isList {
		return fmt.Errorf("%s: one value is wanted, not a list", where)
	}
	if s.name == "dirs" && e.isList {
		l.Dirs, l.Sources[s.name] = e.texts, fmt.Sprintf("%s:%d", e.file, e.line)
		return nil
	}
	return set(strings.Join(e.texts, ","), fmt.Sprintf("%s:%d", e.file, e.line), where)
}

// readKeyFiles takes the keys from the files that are named for them.
func (l *Loaded) readKeyFiles(read func(string) ([]byte, error)) (errs []error) {
	for _, k := range []struct {
		name, file string
		value      *string
	}{{"access-key", l.AccessKeyFile, &l.AccessKey}, {"secret-key", l.SecretKeyFile, &l.SecretKey}} {
		if k.file == "" {
			continue
		}
		if *k.value != "" {
			errs = append(errs, fmt.Errorf("both %s and %s-file are set: use one", k.name, k.name))
			continue
		}
		b, err := read(k.file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s-file: %w", k.name, err))
			continue
		}
		// Editors and `echo` end a file with a newline, which is no part of a key.
		*k.value = strings.TrimRight(string(b), "\r\n")
		l.Sources[k.name] = "file " + k.file
		if *k.value == "" {
			errs = append(errs, fmt.Errorf("%s-file: %s is empty", k.name, k.file))
		}
	}
	return errs
}

// environment gives our variables that are set and not empty, and warns of
// those that no setting knows (a typo would be silent otherwise). What
// Kubernetes makes of a service called catena is left out.
func environment(environ []string) (env map[string]string, warnings []string) {
	known := map[string]bool{ConfigEnv: true}
	for _, s := range settings() {
		known[EnvName(s.name)] = true
	}
	env = map[string]string{}
	for _, kv := range environ {
		name, val, _ := strings.Cut(kv, "=")
		switch {
		case !strings.HasPrefix(name, EnvPrefix) || val == "":
		case known[name]:
			env[name] = val
		case strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_PORT"):
		default:
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not a setting and is ignored", name))
		}
	}
	slices.Sort(warnings)
	return env, warnings
}
