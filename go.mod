module github.com/georedkit/georedkit

go 1.24.0
