package compile

// Standins are programs that take the place of what no registry has.
var Standins = Group{"standins", []module{
	{folder: ".", ldflags: "-s -w", programs: []program{{"strimzi", "./standin/strimzi"}}},
}}

// ICE is what stands for the applications of ICE.
var ICE = Group{"ice", []module{
	{folder: ".", ldflags: "-s -w", programs: []program{{"ice", "./standin/ice"}}},
}}
