"""The verbs of `clothing-classifier`"""
