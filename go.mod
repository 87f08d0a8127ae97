module github.com/georedkit/georedkit

go 1.24.0

require (
	github.com/gocql/gocql v1.7.0 // indirect
	github.com/golang/snappy v0.0.3 // indirect
	github.com/hailocab/go-hostpool v0.0.0-20160125115350-e80d13ce29ed // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
)
