package compile

// Standins are programs that take the place of what no registry has.
var Standins = Group{"standins", []module{
	{folder: ".", ldflags: "-s -w", programs: []program{{"strimzi", "./standin/strimzi"}}},
}}
