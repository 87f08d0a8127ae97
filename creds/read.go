package creds

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

func (s Secret) keys() []string { return slices.Sorted(maps.Keys(s.Data)) }

// secretFile is the manifest of a Secret, as kubemcsa and kubectl write it.
type secretFile struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Type       string            `yaml:"type"`
	Immutable  string            `yaml:"immutable"`
	Data       map[string]string `yaml:"data"`
	StringData map[string]string `yaml:"stringData"`
	Metadata   struct {
		Name              string            `yaml:"name"`
		Namespace         string            `yaml:"namespace"`
		CreationTimestamp string            `yaml:"creationTimestamp"`
		ResourceVersion   string            `yaml:"resourceVersion"`
		UID               string            `yaml:"uid"`
		Labels            map[string]string `yaml:"labels"`
		Annotations       map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
}

// ParseSecret reads the manifest of one Secret in YAML or JSON. The error is geored.Faults, which repeat none of its
// values.
func ParseSecret(manifest Document) (Secret, error) {
	var file secretFile
	faults := decode("manifest", manifest, &file)
	if len(faults) > 0 {
		return Secret{}, faults
	}
	if file.Kind != "Secret" || file.APIVersion != "v1" {
		faults = append(faults, geored.Fault{Field: "kind", Problem: "is not a Secret of apiVersion v1"})
	}
	s := Secret{Name: file.Metadata.Name, Namespace: file.Metadata.Namespace, Type: file.Type, Data: map[string]Document{}}
	for _, key := range slices.Sorted(maps.Keys(file.Data)) {
		text, err := base64.StdEncoding.DecodeString(file.Data[key])
		if err != nil {
			faults = append(faults, geored.Fault{Field: "data", Problem: "holds a value that is not base64", Remedy: "write plain text below stringData"})
		}
		s.Data[key] = NewDocument(string(text))
	}
	for key, text := range file.StringData {
		s.Data[key] = NewDocument(text)
	}
	return s, faults.Err()
}

// kubeconfigFile is a kubeconfig as far as an export goes. Anything else in one is a fault: an exec plugin or a client
// key is no service account's.
type kubeconfigFile struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Clusters   []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server string `yaml:"server"`
			CA     string `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster   string `yaml:"cluster"`
			User      string `yaml:"user"`
			Namespace string `yaml:"namespace"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Token     string `yaml:"token"`
			TokenFile string `yaml:"tokenFile"`
		} `yaml:"user"`
	} `yaml:"users"`
	Current     string   `yaml:"current-context"`
	Preferences struct{} `yaml:"preferences"`
}

// Export reads the export that a Secret carries, in either shape. The account is what its token says of itself. The error
// is geored.Faults: keys that are missing, a kubeconfig that cannot be read, and every value that does not agree with the
// kubeconfig; the export is complete as far as it could be read also then. Whether it is any good is for
// [Export.Faults] to say.
func (s Secret) Export() (Export, error) {
	e := Export{Name: s.Name, Server: s.Data[KeyServer].Reveal(), CA: []byte(s.Data[KeyCA].Reveal()),
		Account: Account{Namespace: s.Data[KeyNamespace].Reveal()}}
	var faults geored.Faults
	fault := func(field, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: field, Problem: problem, Remedy: remedy})
	}
	for _, key := range Keys() {
		if s.Data[key].IsZero() {
			fault(key, "is missing", "export again")
		}
	}
	if !s.Data[KeyToken].IsZero() {
		token, err := ParseToken(s.Data[KeyToken].Reveal())
		if err != nil {
			fault(KeyToken, "is no token", "export again")
		}
		e.Token = token
		if claims, err := token.Claims(); err == nil {
			e.Account.Name = claims.Account.Name
		}
	}
	if !s.Data[KeyConfig].IsZero() {
		faults = append(faults, e.compare(s.Data[KeyConfig])...)
	}
	return e, faults.Err()
}

// compare holds the export against the kubeconfig beside it.
func (e Export) compare(config Document) geored.Faults {
	var k kubeconfigFile
	faults := decode(KeyConfig, config, &k)
	if len(faults) > 0 {
		return faults
	}
	differs := func(part string) {
		faults = append(faults, geored.Fault{Field: KeyConfig + "." + part, Problem: "is not that of the Secret", Remedy: "export again"})
	}
	if len(k.Clusters) != 1 || len(k.Contexts) != 1 || len(k.Users) != 1 {
		return geored.Faults{{Field: KeyConfig, Problem: "has not exactly one cluster, one context and one user", Remedy: "export again"}}
	}
	cluster, context, user := k.Clusters[0], k.Contexts[0], k.Users[0]
	for part, name := range map[string]string{"clusters.name": cluster.Name, "contexts.name": context.Name, "users.name": user.Name,
		"context.cluster": context.Context.Cluster, "context.user": context.Context.User, "current-context": k.Current} {
		if name != e.Name {
			differs(part)
		}
	}
	if cluster.Cluster.Server != e.Server {
		differs("server")
	}
	if ca, err := base64.StdEncoding.DecodeString(cluster.Cluster.CA); err != nil || string(ca) != string(e.CA) {
		differs("certificate-authority-data")
	}
	if context.Context.Namespace != e.Account.Namespace {
		differs("namespace")
	}
	switch {
	case user.User.Token == "" && user.User.TokenFile == "":
		differs("token")
	case user.User.Token != "" && !(Token{seal(user.User.Token)}).Equal(e.Token):
		differs("token")
	}
	slices.SortFunc(faults, func(a, b geored.Fault) int { return strings.Compare(a.Field, b.Field) })
	return faults
}

var line = regexp.MustCompile(`^line \d+`)

// decode reads YAML strictly. What the reader says of a mistake repeats the text, so that only the line is kept.
func decode(field string, document Document, file any) geored.Faults {
	var faults geored.Faults
	for _, f := range geored.Decode([]byte(document.Reveal()), file) {
		at := line.FindString(f.Field)
		if at == "" {
			at = line.FindString(f.Problem)
		}
		problem := "cannot be read"
		if at != "" {
			problem += " at " + at
		}
		faults = append(faults, geored.Fault{Field: field, Problem: problem, Remedy: "export again"})
	}
	return slices.Compact(faults)
}
