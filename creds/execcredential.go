package creds

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// ExecCredential is what a credential plugin of client-go printed (client.authentication.k8s.io).
type ExecCredential struct {
	Token   Token
	Expires time.Time // zero: the plugin does not say
}

// ParseExecCredential reads the JSON of an ExecCredential, v1 or v1beta1. One with a client certificate instead of a
// token is an error: it cannot be exported as a service account. The error repeats nothing of the text.
func ParseExecCredential(text Document) (ExecCredential, error) {
	var file struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Status     *struct {
			Token   string `json:"token"`
			Expires string `json:"expirationTimestamp"`
			Key     string `json:"clientKeyData"`
		} `json:"status"`
	}
	if json.Unmarshal([]byte(text.Reveal()), &file) != nil {
		return ExecCredential{}, errors.New("exec credential: is not the JSON of one")
	}
	version, ok := strings.CutPrefix(file.APIVersion, "client.authentication.k8s.io/")
	switch {
	case !ok || file.Kind != "ExecCredential" || version != "v1" && version != "v1beta1":
		return ExecCredential{}, errors.New("exec credential: is not of client.authentication.k8s.io/v1 or v1beta1")
	case file.Status == nil:
		return ExecCredential{}, errors.New("exec credential: has no status: it is a question, not an answer")
	case file.Status.Token == "" && file.Status.Key != "":
		return ExecCredential{}, errors.New("exec credential: holds a client certificate, and no token")
	}
	token, err := ParseToken(file.Status.Token)
	if err != nil {
		return ExecCredential{}, errors.New("exec credential: status.token is empty or no token")
	}
	credential := ExecCredential{Token: token}
	if file.Status.Expires != "" {
		if credential.Expires, err = time.Parse(time.RFC3339, file.Status.Expires); err != nil {
			return ExecCredential{}, errors.New("exec credential: status.expirationTimestamp is not a time")
		}
	}
	return credential, nil
}
