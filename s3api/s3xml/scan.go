package s3xml

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"catena/s3api/s3err"
)

// scanner reads a document element by element and knows where it is, so each decoder
// below says exactly what may come.
type scanner struct {
	d       *xml.Decoder
	started bool // something other than the declaration came
}

func malformed(why string) error {
	return s3err.New(s3err.MalformedXML).WithCause(errors.New("s3xml: " + why))
}

// asError tells a broken document from an error of the body below it.
func asError(err error) error {
	var e *s3err.Error
	if errors.As(err, &e) {
		return e
	}
	return s3err.New(s3err.MalformedXML).WithCause(err)
}

// next gives the next start, end or text. encoding/xml checks UTF-8, characters, entities
// (it knows the five of XML only), that tags match, and that a declared encoding is UTF-8.
func (s *scanner) next() (xml.Token, error) {
	for {
		tok, err := s.d.Token()
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, asError(err)
		}
		switch t := tok.(type) {
		case xml.Comment:
			s.started = true
			continue
		case xml.ProcInst:
			if s.started || t.Target != "xml" {
				return nil, malformed("a processing instruction")
			}
			s.started = true
			continue
		case xml.Directive:
			return nil, malformed("a document type")
		}
		return tok, nil
	}
}

func blank(b []byte) bool { return strings.Trim(string(b), " \t\r\n") == "" }

// document runs read on the root element, which must have this name, and
// checks that nothing follows it.
func document(r io.Reader, root string, read func(s *scanner) error) error {
	s := &scanner{d: xml.NewDecoder(r)}
	for {
		tok, err := s.next()
		if err == io.EOF {
			if !s.started {
				return s3err.New(s3err.MissingRequestBodyError)
			}
			return malformed("no root element")
		}
		if err != nil {
			return err
		}
		if text, ok := tok.(xml.CharData); ok {
			if t := strings.TrimPrefix(string(text), "\uFEFF"); !s.started && blank([]byte(t)) {
				continue // white space or a byte order mark
			}
			if !blank(text) {
				return malformed("text outside of the root element")
			}
			continue
		}
		start, ok := tok.(xml.StartElement)
		if !ok || !named(start.Name, root) {
			return malformed("another root element than " + root)
		}
		s.started = true
		break
	}
	if err := read(s); err != nil {
		return err
	}
	for {
		tok, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if text, ok := tok.(xml.CharData); !ok || !blank(text) {
			return malformed("something behind the root element")
		}
	}
}

func named(n xml.Name, local string) bool { return inNamespace(n) && n.Local == local }

func inNamespace(n xml.Name) bool { return n.Space == "" || n.Space == Namespace }

// children calls fn for each child of the element that was just opened; fn must read
// the child to its end.
func (s *scanner) children(fn func(name string) error) error {
	for {
		tok, err := s.next()
		if err != nil {
			return asError(err)
		}
		switch t := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.CharData:
			if !blank(t) {
				return malformed("text between elements")
			}
		case xml.StartElement:
			if !inNamespace(t.Name) {
				return malformed("another namespace")
			}
			if err := fn(t.Name.Local); err != nil {
				return err
			}
		}
	}
}

// text reads the element that was just opened, which must have no children.
func (s *scanner) text() (string, error) {
	var b strings.Builder
	for {
		tok, err := s.next()
		if err != nil {
			return "", asError(err)
		}
		switch t := tok.(type) {
		case xml.EndElement:
			return b.String(), nil
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			return "", malformed("an element inside text")
		}
	}
}

// skip reads the element that was just opened and what is in it, to a depth.
func (s *scanner) skip(depth int) error {
	for open := 1; open > 0; {
		tok, err := s.next()
		if err != nil {
			return asError(err)
		}
		switch tok.(type) {
		case xml.EndElement:
			open--
		case xml.StartElement:
			if open++; open > depth {
				return malformed("nested too deep")
			}
		}
	}
	return nil
}

// once reads the text of an element that may come once.
type once map[string]string

func (o once) read(s *scanner, name string) error {
	if _, again := o[name]; again {
		return malformed("a second " + name)
	}
	text, err := s.text()
	o[name] = text
	return err
}

// trimmed is the value of name without white space around it.
func (o once) trimmed(name string) string { return strings.Trim(o[name], " \t\r\n") }
