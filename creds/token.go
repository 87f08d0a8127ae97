package creds

import (
	"errors"
	"strings"
)

// Token is a bearer token. It shows itself in no form of printing, logging or encoding; Reveal is the only way out. The
// zero value is no token.
type Token struct{ secret }

// ParseToken seals a token, without the white space around it that files end with. The error does not repeat the text.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Token{}, errors.New("token: is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Token{}, errors.New("token: holds characters that no header may carry")
	}
	return Token{seal(text)}, nil
}

// Equal compares in constant time.
func (t Token) Equal(other Token) bool { return t.equal(other.secret) }
