package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"catena/cmd/internal/dirfile"
	"catena/cmd/internal/keys"
)

func keysCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use: "keys DIR...", Short: "Print the access key and the secret key that are kept on a data directory",
		Long: "Print the keys of a store as two lines that a shell can read, for `eval $(catena keys DIR)`.\n" +
			"Of several directories the one with the newest keys counts. The server may be running.",
		Args: atLeast(1, "name a data directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if slices.Contains(args, "") {
				return usage(errors.New("keys: a directory is given as \"\", which names none"))
			}
			k, err := readKeys(args)
			if err != nil {
				return err
			}
			fmt.Fprintf(env.stdout, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", shellQuote(k.Access), shellQuote(k.Secret))
			return nil
		},
	}
}

// readKeys gives the newest keys of the DIRs.
func readKeys(dirs []string) (keys.Keys, error) {
	found := keys.Read(dirfile.OS{}, dirs)
	d, err := keys.Resolve(found, keys.Pair{}, false, nil)
	if err == nil {
		return d.Keys, nil
	}
	if !errors.Is(err, keys.ErrNoKeys) {
		return keys.Keys{}, err
	}
	var errs []error
	for _, f := range found {
		errs = append(errs, fmt.Errorf("no keys in %s: %w", filepath.Join(f.Dir, keys.FileName), f.Err))
	}
	return keys.Keys{}, errors.Join(errs...)
}

// shellQuote leaves plain words alone.
func shellQuote(s string) string {
	for _, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' || r == '/'
		if !plain {
			return "'" + escapeQuotes(s) + "'"
		}
	}
	return s
}

func escapeQuotes(s string) string {
	out := ""
	for _, r := range s {
		if r == '\'' {
			out += `'\''`
			continue
		}
		out += string(r)
	}
	return out
}
