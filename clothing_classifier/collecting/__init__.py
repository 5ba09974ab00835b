"""From a search, a folder or a table to checked pictures with a manifest"""
