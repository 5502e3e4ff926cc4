"""What shows the pipeline at work: the demo, its pictures and pages, the benchmark."""
