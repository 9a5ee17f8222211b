"""What a camera looks at: the plane of the road, its zones, and how both are measured."""
