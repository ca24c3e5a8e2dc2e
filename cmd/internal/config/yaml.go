package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the config file.
const maxFile = 1 << 20

// entry is one key of the file.
type entry struct {
	file   string
	line   int
	texts  []string
	isList bool
}

// readFile gives the entries of the file, and every problem of it. The document
// is walked, not decoded into a struct: so the table stays the only list of
// names, and each problem has its line.
func readFile(path string, read func(string) ([]byte, error)) (map[string]entry, []error) {
	if path == "" {
		return nil, nil
	}
	data, err := read(path)
	if err != nil {
		return nil, []error{fmt.Errorf("config file: %w", err)}
	}
	if len(data) > maxFile {
		return nil, []error{fmt.Errorf("config file %s: %d bytes, at most %d are read", path, len(data), maxFile)}
	}
	doc, err := parser.ParseBytes(data, 0)
	if err != nil {
		// Without the source lines: one of them may be a secret.
		return nil, []error{fmt.Errorf("config file %s: %s", path, yaml.FormatError(err, false, false))}
	}
	return walk(path, doc)
}

func walk(path string, doc *ast.File) (map[string]entry, []error) {
	entries := map[string]entry{}
	var errs []error
	bodies := 0
	for _, d := range doc.Docs {
		if d.Body == nil {
			continue
		}
		if bodies++; bodies > 1 {
			return nil, append(errs, fmt.Errorf("config file %s:%d: more than one document", path, lineOf(d.Body)))
		}
		m, ok := d.Body.(*ast.MappingNode)
		if !ok {
			if d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
				continue
			}
			return nil, append(errs, fmt.Errorf("config file %s:%d: want lines of the form key: value", path, lineOf(d.Body)))
		}
		for _, kv := range m.Values {
			if err := take(path, kv, entries); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return entries, errs
}

// take reads one key.
func take(path string, kv *ast.MappingValueNode, entries map[string]entry) error {
	name, line := kv.Key.GetToken().Value, lineOf(kv.Key)
	where := fmt.Sprintf("config file %s:%d", path, line)
	if !isSetting(name) {
		return fmt.Errorf("%s: unknown key %q%s", where, name, suggest(name))
	}
	e := entry{file: path, line: line}
	switch v := kv.Value.(type) {
	case *ast.SequenceNode:
		e.isList = true
		for _, item := range v.Values {
			text, ok := scalar(item)
			if !ok || strings.Contains(text, ",") && name != "dirs" {
				return fmt.Errorf("config file %s:%d: %s: each item must be one value", path, lineOf(item), name)
			}
			e.texts = append(e.texts, text)
		}
	case *ast.NullNode:
		return fmt.Errorf("%s: %s has no value: leave the line out for the default", where, name)
	default:
		text, ok := scalar(v)
		if !ok {
			return fmt.Errorf("%s: %s must be one value or a list of values", where, name)
		}
		e.texts = []string{text}
	}
	entries[name] = e
	return nil
}

// scalar gives a value as it was written: 0123 stays 0123, for a key may look
// like a number.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(v.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func lineOf(n ast.Node) int { return n.GetToken().Position.Line }

func isSetting(name string) bool {
	for _, s := range settings() {
		if s.name == name {
			return true
		}
	}
	return false
}

// suggest names the setting that differs only in how words are joined.
func suggest(name string) string {
	plain := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)) }
	for _, s := range settings() {
		if p := plain(s.name); p == plain(name) || p == plain(name)+"s" || p+"s" == plain(name) {
			return fmt.Sprintf(", did you mean %q?", s.name)
		}
	}
	return ""
}

// Print writes the settings in effect as a YAML file that Load accepts, each
// with its source. A secret stands in a comment, masked.
func (l Loaded) Print(w io.Writer) error {
	for _, s := range settings() {
		v := s.value(&l.Config)
		if _, err := fmt.Fprintf(w, "%s\n", printed(s, v, l.Sources[s.name])); err != nil {
			return err
		}
	}
	return nil
}

func printed(s setting, v value, source string) string {
	switch {
	case s.secret && v.String() != "":
		return fmt.Sprintf("# %s: ******** # %s", s.name, source)
	case v.String() == "":
		return fmt.Sprintf("# %s: # not set", s.name)
	}
	if m, ok := v.(many); ok {
		items := make([]string, len(m.Items()))
		for i, item := range m.Items() {
			items[i] = quote(item)
		}
		return fmt.Sprintf("%s: [%s] # %s", s.name, strings.Join(items, ", "), source)
	}
	if v.Type() == "string" {
		return fmt.Sprintf("%s: %s # %s", s.name, quote(v.String()), source)
	}
	return fmt.Sprintf("%s: %s # %s", s.name, v, source)
}

// quote gives a YAML scalar that is read back as the same text.
func quote(s string) string {
	for _, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/' || r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9'
		if !plain {
			return fmt.Sprintf("%q", s)
		}
	}
	if strings.Trim(s, "0123456789.-_eE") == "" || s[0] == '-' || s == "true" || s == "false" || s == "null" {
		return fmt.Sprintf("%q", s)
	}
	return s
}
