// Package admin is the second listener: health, metrics, profiling.
//
//	GET /healthz        200 while the process lives
//	GET /readyz         200 when requests can be served, else 503 with the reason
//	GET /metrics        Prometheus text
//	GET /debug/pprof/   only while the listener is on a loopback address
//	GET /v1/status      masters, stores, chains, and what happens next, as JSON
//	PUT /v1/factor      another number of copies (POST too)
//	POST /v1/force      start a dead chain from a replica that may lack writes
//
// Everything below /v1/ must be signed with the cluster's keys (Signature
// Version 4 in the Authorization header, service catena, body included), also on
// loopback: a web page or another user of the machine reaches that as well. A
// change names what its sender saw (the factor, the epoch), so one that was
// overtaken is refused; one that was overheard and is sent again is, too. Bodies are strict JSON.
// API.md has every field, and what a script may rely on.
//
// It is on net/http, apart from S3 traffic, and has short deadlines of its own:
// a probe must not wait behind anything. Ready is asked at each /readyz, with a
// deadline, by one caller at a time; the others get the same answer.
package admin
