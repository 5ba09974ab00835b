"""The REST API"""
