"""Contact sheets: pages of tiles that show what every parameter makes of photos, for eyes to judge."""
