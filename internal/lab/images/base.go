package images

import (
	"archive/tar"
	"path/filepath"
)

// Pause is the image of the process that holds a pod's namespaces.
const Pause = "localhost/lab/pause:1"

// CoreDNS is the image of the cluster's name server.
const CoreDNS = "localhost/lab/coredns:1.15"

// Programs is where the container runtime mounts the laboratory's programs, in every container.
const Programs = "/lab/bin"

// SearchPath is the environment in which shells find the host's programs.
const SearchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// BuiltIn are the images that every site has. All but pause hold no program: the container runtime mounts the
// host's /usr and the laboratory's programs into every container, read-only.
func BuiltIn(bin string) []Image {
	return []Image{
		{Ref: Pause, Programs: []string{filepath.Join(bin, "pause")}, Entrypoint: []string{"/pause"}},
		{Ref: CoreDNS, Skeleton: true, Entrypoint: []string{Programs + "/coredns"}},
		{Ref: "localhost/kilo:0.6", Skeleton: true, Entrypoint: []string{Programs + "/kilo", "-kilo-version=0.6"}},
		{Ref: "localhost/kilo:0.7", Skeleton: true, Entrypoint: []string{Programs + "/kilo", "-kilo-version=0.7"}},
		{Ref: "localhost/lab/app:1", Skeleton: true, Entrypoint: []string{Programs + "/app"}, Env: []string{SearchPath}},
		{Ref: "localhost/lab/base:1", Skeleton: true, Cmd: []string{"/bin/sleep", "infinity"}, Env: []string{SearchPath}},
	}
}

func skeleton() []*tar.Header {
	var headers []*tar.Header
	for _, name := range []string{
		"dev", "etc", "etc/alternatives", "etc/ssl", "home", "lab", "opt", "proc", "root", "run", "sys", "usr", "var", "var/lib", "var/log",
	} {
		headers = append(headers, &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
	}
	headers = append(headers, &tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		headers = append(headers, link(name, "usr/"+name))
	}
	return append(headers, link("var/run", "/run"))
}

func link(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

var accounts = []struct{ name, text string }{
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\nlab:x:1000:1000::/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"},
	{"etc/group", "root:x:0:\nlab:x:1000:\nnogroup:x:65534:\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
}
