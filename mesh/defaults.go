package mesh

// WithDefaults is the network with what was left at zero filled in, as [Plan] takes it.
func (n Network) WithDefaults() Network { return n.withDefaults() }
