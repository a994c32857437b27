"""The hospital information system of the embedded hospital: schema, generated data, application, workstation client."""
