"""What page, command and API share: fetching links, many pictures, heat maps, feedback"""
