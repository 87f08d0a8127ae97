package credstest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/creds"
)

func (c *Cluster) serve(i *instance, w http.ResponseWriter, r *http.Request) {
	var body object
	if r.Body != nil && r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
			refuse(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "only JSON is understood here")
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control()
	user := c.user(i, r)
	path := strings.Trim(r.URL.Path, "/")
	switch {
	case user == "":
		refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	case path == "version":
		answer(w, http.StatusOK, object{"major": "1", "minor": "33", "gitVersion": "v1.33.0"})
	case path == "apis/authentication.k8s.io/v1/selfsubjectreviews" && r.Method == http.MethodPost:
		answer(w, http.StatusCreated, object{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "status": object{"userInfo": object{"username": user}}})
	case r.Method == http.MethodGet && discover(w, path):
	case user != "admin":
		refuse(w, http.StatusForbidden, "Forbidden", user+" may not do that")
	default:
		c.resource(w, r, path, body)
	}
}

// discover answers what kinds there are, and says whether that was asked.
func discover(w http.ResponseWriter, path string) bool {
	switch path {
	case "api":
		answer(w, http.StatusOK, object{"kind": "APIVersions", "versions": []string{"v1"}})
		return true
	case "apis":
		groups := []any{}
		for _, k := range kinds {
			version := object{"groupVersion": k.version(), "version": "v1"}
			group := object{"name": k.group, "versions": []any{version}, "preferredVersion": version}
			if k.group != "" && !slices.ContainsFunc(groups, func(g any) bool { return g.(object)["name"] == k.group }) {
				groups = append(groups, group)
			}
		}
		answer(w, http.StatusOK, object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
		return true
	}
	version, ok := strings.CutPrefix(path, "apis/")
	if !ok {
		version = strings.TrimPrefix(path, "api/")
	}
	resources := []any{}
	for _, k := range kinds {
		if k.version() == version {
			resources = append(resources, object{"name": k.resource, "kind": k.name, "namespaced": !k.cluster, "verbs": []string{"get", "list", "patch", "create", "delete"}})
		}
	}
	if len(resources) > 0 {
		answer(w, http.StatusOK, object{"kind": "APIResourceList", "groupVersion": version, "resources": resources})
	}
	return len(resources) > 0
}

// parse reads the path of a resource.
func parse(path string) (r ref, subresource string, ok bool) {
	parts, group := strings.Split(path, "/"), ""
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	default:
		return ref{}, "", false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		r.namespace, parts = parts[1], parts[2:]
	}
	if _, known := kindOf(group, parts[0]); !known || len(parts) > 3 {
		return ref{}, "", false
	}
	r.resource = parts[0]
	if len(parts) > 1 {
		r.name = parts[1]
	}
	if len(parts) > 2 {
		subresource = parts[2]
	}
	return r, subresource, true
}

func (c *Cluster) resource(w http.ResponseWriter, r *http.Request, path string, body object) {
	at, subresource, ok := parse(path)
	if ok && r.Method == http.MethodPost && at.name == "" {
		at.name = body.text("metadata", "name")
		if c.objects[at] != nil {
			refuse(w, http.StatusConflict, "AlreadyExists", at.name+" is there already")
			return
		}
	}
	there := c.objects[at] != nil
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NotFound", "no such resource")
	case at.name == "" && r.Method == http.MethodGet:
		c.list(w, r, at)
	case subresource == "token" && r.Method == http.MethodPost && there:
		c.request(w, at, body)
	case subresource != "":
		refuse(w, http.StatusNotFound, "NotFound", "no such subresource")
	case !there && (r.Method == http.MethodGet || r.Method == http.MethodDelete || r.Method == http.MethodPut || r.Header.Get("Content-Type") == "application/merge-patch+json"):
		refuse(w, http.StatusNotFound, "NotFound", at.name+" is not there")
	case at.namespace != "" && c.objects[ref{"namespaces", "", at.namespace}] == nil:
		refuse(w, http.StatusNotFound, "NotFound", "namespace "+at.namespace+" is not there")
	case r.Method == http.MethodGet:
		answer(w, http.StatusOK, c.objects[at])
	case r.Method == http.MethodDelete:
		for r := range c.objects {
			if r == at || at.resource == "namespaces" && r.namespace == at.name { // with all that is in it
				delete(c.objects, r)
				delete(c.pending, r)
			}
		}
		answer(w, http.StatusOK, object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case r.URL.Query().Get("dryRun") != "":
		answer(w, http.StatusOK, c.merged(at, body))
	case r.Method == http.MethodPut:
		if o := c.objects[at]; o.text("metadata", "resourceVersion") != body.text("metadata", "resourceVersion") {
			refuse(w, http.StatusConflict, "Conflict", at.name+" was changed meanwhile")
			return
		}
		o := c.objects[at]
		delete(o, "data")
		delete(o.metadata(), "labels")
		delete(o.metadata(), "annotations")
		answer(w, http.StatusOK, c.put(at, body))
	case r.Method == http.MethodPost:
		answer(w, http.StatusCreated, c.put(at, body))
	default:
		answer(w, http.StatusOK, c.put(at, body))
	}
}

func (c *Cluster) list(w http.ResponseWriter, r *http.Request, at ref) {
	var found []ref
	for other, o := range c.objects {
		selector := r.URL.Query().Get("labelSelector")
		if other.resource == at.resource && (at.namespace == "" || other.namespace == at.namespace) && (selector == "" || o.labelled(selector)) {
			found = append(found, other)
		}
	}
	slices.SortFunc(found, func(a, b ref) int { return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name) })
	items := make([]object, len(found))
	for i, f := range found {
		items[i] = c.objects[f]
	}
	k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.resource == at.resource })]
	answer(w, http.StatusOK, object{"apiVersion": k.version(), "kind": k.name + "List", "metadata": object{}, "items": items})
}

// request answers a TokenRequest.
func (c *Cluster) request(w http.ResponseWriter, at ref, body object) {
	spec := body.section("spec")
	seconds, _ := spec["expirationSeconds"].(float64)
	if seconds == 0 {
		seconds = 3600
	}
	if seconds < 600 {
		refuse(w, http.StatusUnprocessableEntity, "Invalid", "may not specify a duration less than 10 minutes")
		return
	}
	now := c.clock.Now()
	life := creds.Life{Issued: now, Expires: now.Add(time.Duration(seconds) * time.Second)}
	if c.faults[BornExpired()] {
		life.Issued, life.Expires = now.Add(-time.Hour), now.Add(-time.Second)
	}
	token := c.Issuer.sign(c.Issuer.boundClaims(creds.Account{Namespace: at.namespace, Name: at.name}, life, body.text("spec", "boundObjectRef", "name")))
	answer(w, http.StatusCreated, object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
		"status": object{"token": token, "expirationTimestamp": life.Expires.UTC().Format(time.RFC3339)}})
}

func answer(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	answer(w, status, object{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status})
}
