module github.com/georedkit/georedkit

go 1.24.0

require (
	go.yaml.in/yaml/v3 v3.0.4 // indirect
	golang.org/x/net v0.38.0 // indirect
)
