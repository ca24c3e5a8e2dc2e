// Package tlsconf gives the TLS configuration of the listeners.
//
// Files: certificate and key are read at start (an error then ends the start)
// and again when their content changes: looked at every minute, and at once on
// SIGHUP (Reload). Content, not the modification time, decides, because tools
// replace files by symbolic links and keep times. A pair that does not load or
// fit is logged and the old one stays in use.
//
// Self-signed: a certificate made at the first start and kept on every DIR
// (tls-self-signed.crt, mode 0644, and .key, mode 0600), so that a client can be
// told to trust the file once. It is made anew when it expires within 30 days
// or when a name that is served is not in it.
//
// TLS 1.2 is the oldest version: the S3 clients of today all speak it.
package tlsconf
