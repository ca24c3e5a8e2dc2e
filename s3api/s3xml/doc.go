// Package s3xml writes and reads the XML documents of the S3 API.
//
// Words: a document is one root element in the namespace
// http://s3.amazonaws.com/doc/2006-03-01/, declared as default namespace and never by a
// prefix, because some clients search for element names as strings.
//
// Promises of the encoders (AppendXML): the output always parses as XML 1.0. A carriage return,
// tab and newline are written as character references. XML 1.0 has no way at all
// to hold U+0001 and its like (Amazon writes &#x1;, which parsers refuse, the one of
// Python too); such a character becomes U+FFFD, and whoever lists keys that may hold them asks
// for encoding-type=url, as aws CLI and boto3 do by default.
//
// Promises of the decoders (Decode...): what is not exactly the document is MalformedXML:
// DOCTYPE, processing instructions other than the declaration, another encoding than UTF-8,
// another root or namespace, a second root, an unknown child of a known parent where
// Amazon's schema has none, a repeated single element, text between elements, nesting
// deeper than the schema. Input is read as a stream and the reading stops at the first
// element too many, so memory is bounded by the limits of the operation.
// The namespace may be absent in the input.
package s3xml
