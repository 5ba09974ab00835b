"""The page that Voila serves: its widget, the process that answers, a process for each visitor"""
