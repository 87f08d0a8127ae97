package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/internal/laboratory"
)

// ChartOptions are the flags of programs that install charts. User and password come by file: a command line is seen by
// everybody on the machine.
type ChartOptions struct {
	Repo         string
	CAFile       string
	UserFile     string
	PasswordFile string
	Values       []string          // files, laid over the program's values in their order
	Versions     map[string]string // by chart; those that are not named are the program's own
}

func (o *ChartOptions) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.Repo, "chart-repo", "", "`URL` of the chart repository, https (default: the laboratory's)")
	flags.StringVar(&o.CAFile, "chart-ca", "", "`FILE` with the authority of the repository's certificate, in PEM (default: this machine's)")
	flags.StringVar(&o.UserFile, "chart-user-file", "", "`FILE` with the user of the repository")
	flags.StringVar(&o.PasswordFile, "chart-password-file", "", "`FILE` with the password of the repository")
	flags.Func("values", "`FILE` of values by chart, laid over the program's; may be repeated", func(path string) error {
		o.Values = append(o.Values, path)
		return nil
	})
	o.Versions = map[string]string{}
	flags.Func("chart-version", "`CHART=VERSION` to install instead of the program's own; may be repeated", func(text string) error {
		chart, version, ok := strings.Cut(text, "=")
		if !ok || chart == "" || version == "" {
			return fmt.Errorf("write it as ice-kilo=2.0.10")
		}
		o.Versions[chart] = version
		return nil
	})
}

// fill takes what is not named from the laboratory.
func (o *ChartOptions) fill(running laboratory.Running) error {
	if o.Repo != "" {
		return nil
	}
	repo, err := running.ChartRepo()
	if err != nil {
		return err
	}
	o.Repo, o.CAFile, o.UserFile, o.PasswordFile = repo.URL, repo.CAFile, repo.UserFile, repo.PasswordFile
	return nil
}

// Repository reads the files. What cannot be read is geored.Faults.
func (o ChartOptions) Repository() (helm.Repository, error) {
	r := helm.Repository{URL: o.Repo}
	var faults geored.Faults
	read := func(flag, path string) string {
		if path == "" {
			return ""
		}
		text, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, geored.Fault{Field: flag, Value: path, Problem: "cannot be read: " + err.Error()})
		}
		return string(text)
	}
	r.CA = []byte(read("-chart-ca", o.CAFile))
	r.User = strings.TrimSpace(read("-chart-user-file", o.UserFile))
	r.Password = helm.NewPassword(read("-chart-password-file", o.PasswordFile))
	if r.Password.Reveal() != "" && r.User == "" {
		faults = append(faults, geored.Fault{Field: "-chart-user-file", Problem: "is missing", Remedy: "name the file with the user whose password is given"})
	}
	return r, faults.Err()
}

// ValuesFiles reads the files of -values, in their order.
func (o ChartOptions) ValuesFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	var faults geored.Faults
	for _, path := range o.Values {
		text, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, geored.Fault{Field: "-values", Value: path, Problem: "cannot be read: " + err.Error()})
		}
		files[path] = text
	}
	return files, faults.Err()
}
