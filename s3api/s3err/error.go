package s3err

import (
	"errors"
	"strings"
)

// Code is the text of the Code element of an S3 error document.
type Code string

// Field is one further element of an error document, in the order of addition.
type Field struct {
	Name  string // an XML element name, a constant of ours and never client data
	Value string // any text, escaped when rendered
}

// Error is an answer of the S3 API that is not a success.
type Error struct {
	Code    Code
	Status  int // HTTP status, 300 to 599
	Message string
	Extra   []Field
	// Headers are response headers that belong to the error, such as
	// Retry-After or x-amz-delete-marker.
	Headers []Field
	// Close asks that the connection is closed after the answer.
	Close bool
	// Cause is what was wrong below, for the log only; never sent.
	Cause error
}

// New returns the error of a code with Amazon's status and message. A code that
// is not in the table is a 500 with that code, so that a mistake shows.
func New(code Code) *Error {
	if d, ok := describe(code); ok {
		return &Error{Code: code, Status: d.status, Message: d.message}
	}
	return &Error{Code: code, Status: 500, Message: "We encountered an internal error. Please try again."}
}

// Newf is New with another message.
func Newf(code Code, message string) *Error {
	e := New(code)
	e.Message = message
	return e
}

// InvalidArg is InvalidArgument with the fields that Amazon sends with it.
func InvalidArg(name, value, message string) *Error {
	return Newf(InvalidArgument, message).With("ArgumentName", name).With("ArgumentValue", value)
}

// Error says code and message, and the cause if there is one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error with the same code, so that
// errors.Is(err, s3err.New(s3err.NoSuchKey)) reads well in tests.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

func (e *Error) clone() *Error {
	c := *e
	c.Extra = append([]Field(nil), e.Extra...)
	c.Headers = append([]Field(nil), e.Headers...)
	return &c
}

// With returns a copy with one more element in the document.
func (e *Error) With(name, value string) *Error {
	c := e.clone()
	c.Extra = append(c.Extra, Field{name, value})
	return c
}

// WithHeader returns a copy with one more response header.
func (e *Error) WithHeader(name, value string) *Error {
	c := e.clone()
	c.Headers = append(c.Headers, Field{name, value})
	return c
}

// WithMessage returns a copy with another message.
func (e *Error) WithMessage(message string) *Error {
	c := e.clone()
	c.Message = message
	return c
}

// WithCause returns a copy that carries err for the log.
func (e *Error) WithCause(err error) *Error {
	c := e.clone()
	c.Cause = err
	return c
}

// Closing returns a copy that asks for the connection to be closed.
func (e *Error) Closing() *Error {
	c := e.clone()
	c.Close = true
	return c
}

// From finds the *Error in err. Any other error becomes InternalError with err
// as its cause; nil stays nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(InternalError).WithCause(err)
}

// Is reports whether err is an S3 error with this code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
