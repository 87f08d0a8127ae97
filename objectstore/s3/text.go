package s3

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendText appends the character data of an element with its references resolved.
func appendText(to, text []byte) ([]byte, error) {
	for {
		i := special(text)
		if i < 0 {
			return append(to, text...), nil
		}
		to = append(to, text[:i]...)
		switch text = text[i:]; text[0] {
		case '<':
			return nil, malformed("a tag where text is due")
		case '\r': // as XML has it: CR LF and CR are LF
			to = append(to, '\n')
			text = bytes.TrimPrefix(text[1:], []byte("\n"))
			continue
		}
		end := bytes.IndexByte(text, ';')
		if end < 0 {
			return nil, malformed("an open reference")
		}
		r, ok := reference(string(text[1:end]))
		if !ok {
			return nil, malformed("an unknown reference")
		}
		to = utf8.AppendRune(to, r)
		text = text[end+1:]
	}
}

// special finds the first byte that does not stand for itself.
func special(text []byte) int {
	at := -1
	for _, c := range []byte("&<\r") {
		if i := bytes.IndexByte(text, c); i >= 0 {
			at, text = i, text[:i]
		}
	}
	return at
}

// unquoted is an ETag without its quotes, in the two ways in which servers write them.
func unquoted(etag []byte) []byte {
	for _, quote := range []string{"&#34;", "&quot;", `"`} {
		if rest, ok := bytes.CutPrefix(etag, []byte(quote)); ok {
			return bytes.TrimSuffix(rest, []byte(quote))
		}
	}
	return etag
}

func reference(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), ok && err == nil && utf8.ValidRune(rune(n))
}

// decodeURL undoes encoding-type=url.
func decodeURL(text string) (string, error) {
	if strings.IndexByte(text, '%') < 0 && strings.IndexByte(text, '+') < 0 {
		return text, nil
	}
	return url.QueryUnescape(text)
}

// days reads times, most of which are of the same day as the one before.
type days struct {
	text [10]byte // "2026-01-02"
	day  time.Time
}

// parse reads the form that listings have, which is always in UTC; time.Parse is for the rest.
func (d *days) parse(text []byte) (time.Time, error) {
	if len(text) != 24 || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != '.' || text[23] != 'Z' {
		return time.Parse(time.RFC3339Nano, string(text))
	}
	if [10]byte(text) != d.text || d.day.IsZero() {
		day, err := time.Parse(time.DateOnly, string(text[:10]))
		if err != nil {
			return day, err
		}
		d.text, d.day = [10]byte(text), day
	}
	hour, minute, second, milli := digits(text[11:13]), digits(text[14:16]), digits(text[17:19]), digits(text[20:23])
	if min(hour, minute, second, milli) < 0 || hour > 23 || minute > 59 || second > 59 {
		return time.Parse(time.RFC3339Nano, string(text))
	}
	since := time.Duration(hour*3600+minute*60+second)*time.Second + time.Duration(milli)*time.Millisecond
	return d.day.Add(since), nil
}

// digits is -1 for anything but digits.
func digits(text []byte) int {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
