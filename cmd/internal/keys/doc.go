// Package keys keeps the node's access key, secret key and other secrets: one
// file of mode 0600 on every DIR, so that losing a DIR loses none of them.
//
// Rules:
//
//   - Keys are made only on a fresh node (no DIR had a formed identity). An
//     existing node without a readable keys file is refused unless keys come
//     from the environment: making new ones would lock everybody out silently.
//   - The file has a counter. The highest readable one wins and is written to
//     the other DIRs.
//   - Keys from the environment replace the stored ones when they differ, with
//     the next counter.
//   - Nothing here prints a secret: Keys formats and logs itself without it.
//
// File: package dirfile, kind "keys", version 1, a JSON body with counter,
// access_key, secret_key and node_secret (32 random bytes in hex, made once,
// from which other secrets of the node are derived). Unknown fields are kept
// when the file is rewritten, so a later release may add some.
package keys
