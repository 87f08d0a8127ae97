package ice

// LaboratoryApplications is the section of a topology with which the product is installed in the laboratory.
const LaboratoryApplications = `
applications:
  multicastInterface: wan0
  replicationFactor: 1
  timeout: 5m
`

// LaboratoryStores are what the product's stores need of a laboratory.
func LaboratoryStores() []string { return []string{"ice"} }
